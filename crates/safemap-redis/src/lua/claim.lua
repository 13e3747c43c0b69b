-- Opens a namespace. ARGV: the schema's mark, its rules as text; the bounds on entries and bytes, and
-- 1 to evict or 0 to refuse, with spaces between; each empty to leave it as it is. With more parts than these a server that asks for a
-- password would not say so.
local meta, data, expiry, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local mark = redis.call('HGET', meta, 'schema')
if mark then
  if mark ~= ARGV[1] then return {'other', redis.call('HGET', meta, 'rules') or ''} end
else
  if redis.call('EXISTS', meta, data, expiry, feed) > 0 then return {'orphan'} end
  -- Numbers begin at the time in microseconds, so that none comes twice if the namespace was emptied.
  local clock = redis.call('TIME')
  local seq = string.format('%.0f', tonumber(clock[1]) * 1000000 + tonumber(clock[2]))
  redis.call('HSET', meta, 'schema', ARGV[1], 'rules', ARGV[2], 'seq', seq, 'bytes', '0')
end
local most_entries, most_bytes, evicts = string.match(ARGV[3], '^(%d*) (%d*) (%d*)$')
if most_entries ~= '' then redis.call('HSET', meta, 'max_entries', most_entries) end
if most_bytes ~= '' then redis.call('HSET', meta, 'max_bytes', most_bytes) end
if evicts ~= '' then redis.call('HSET', meta, 'evicts', evicts) end
return {'ok'}
