-- What all scripts begin with. KEYS: meta (hash), data (hash), expiry (sorted set), feed (stream).
-- ARGV: the schema's mark, how many events the feed keeps; then what is the script's own.
-- An entry is "version expires deadline payload"; times are milliseconds, 0 for never.
local meta, data, expiry, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local mark = redis.call('HGET', meta, 'schema')
if not mark then return {'gone'} end
if mark ~= ARGV[1] then return {'other'} end
local keep = ARGV[2]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function text(number)
  return string.format('%.0f', number)
end

local function sequence()
  return redis.call('HGET', meta, 'seq')
end

local function fields(raw)
  local first = string.find(raw, ' ', 1, true)
  local second = string.find(raw, ' ', first + 1, true)
  local third = string.find(raw, ' ', second + 1, true)
  return string.sub(raw, 1, first - 1), tonumber(string.sub(raw, first + 1, second - 1)),
    tonumber(string.sub(raw, second + 1, third - 1)), string.sub(raw, third + 1)
end

-- The version, end, deadline and payload of a key; nothing if it is not there or has expired.
local function entry(key)
  local raw = redis.call('HGET', data, key)
  if not raw then return nil end
  local version, expires, deadline, payload = fields(raw)
  if expires > 0 and expires <= now then return nil end
  return version, expires, deadline, payload
end

-- Takes the next number and tells the feed; before the change itself, so that a server that is out
-- of memory refuses before anything is done.
local function tell(change, key, payload)
  local version = text(redis.call('HINCRBY', meta, 'seq', 1))
  redis.call('XADD', feed, 'MAXLEN', '~', keep, version .. '-0',
    'c', change, 'k', key, 'v', payload)
  return version
end

local function drop(key, change)
  local raw = redis.call('HGET', data, key)
  if not raw then return nil end
  local _, expires, _, payload = fields(raw)
  local version = tell(change, key, payload)
  redis.call('HDEL', data, key)
  if expires > 0 then redis.call('ZREM', expiry, key) end
  return version
end

local function sweep(most)
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiry, '-inf', text(now), 'LIMIT', 0, most)) do
    if not drop(key, 'e') then redis.call('ZREM', expiry, key) end
  end
end

local function put(key, payload, ttl, idle)
  local deadline, expires = 0, 0
  if ttl > 0 then deadline = now + ttl; expires = deadline end
  if idle > 0 and (expires == 0 or now + idle < expires) then expires = now + idle end
  local version = tell('w', key, payload)
  redis.call('HSET', data, key,
    version .. ' ' .. text(expires) .. ' ' .. text(deadline) .. ' ' .. payload)
  if expires > 0 then redis.call('ZADD', expiry, text(expires), key) end
  return version
end
