-- All entries, those that have expired included, the time, and the bounds.
return done(text(now), about[3] or '', about[4] or '', redis.call('HGETALL', data))
