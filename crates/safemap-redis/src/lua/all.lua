-- All entries, those that have expired included, and the time.
return {'ok', text(now), redis.call('HGETALL', data)}
