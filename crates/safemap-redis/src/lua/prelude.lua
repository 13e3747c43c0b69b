-- What all scripts begin with. KEYS: meta (hash), data (hash), expiry (sorted set), feed (stream).
-- ARGV: the schema's mark, how many events and how many bytes of them the feed keeps; then what is the
-- script's own.
-- An entry is "version expires deadline born writes payload"; times are milliseconds, 0 for never.
-- Bytes are those of keys and payloads.
local meta, data, expiry, feed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local about = redis.call('HMGET', meta, 'schema', 'bytes', 'max_entries', 'max_bytes', 'evicts')
if not about[1] then return {'gone'} end
if about[1] ~= ARGV[1] then return {'other'} end
local bytes_before = tonumber(about[2]) or 0
local most_entries, most_bytes = tonumber(about[3]), tonumber(about[4])
local evicts = about[5] == '1'
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
-- By how much the bytes have grown in this script, and how many entries went to make room.
local grown, evicted = 0, 0

local function text(number)
  return string.format('%.0f', number)
end

local function sequence()
  return redis.call('HGET', meta, 'seq')
end

-- The beginning of every answer to what was done: how large the map is, and how many were evicted.
local function done(...)
  local entries, bytes = redis.call('HLEN', data), bytes_before + grown
  return {'ok', text(entries), text(bytes), text(evicted), ...}
end

local function fields(raw)
  local _, last, version, expires, deadline, born, writes =
    string.find(raw, '^(%d+) (%d+) (%d+) (%d+) (%d+) ')
  return version, tonumber(expires), tonumber(deadline), string.sub(raw, last + 1), born, writes
end

local function write(key, version, expires, deadline, born, writes, payload)
  redis.call('HSET', data, key,
    version .. ' ' .. text(expires) .. ' ' .. text(deadline) .. ' ' .. born .. ' ' .. writes
      .. ' ' .. payload)
end

-- The version, end, deadline, payload, birth and writes of a key; nothing if it is not there or has
-- expired.
local function entry(key)
  local raw = redis.call('HGET', data, key)
  if not raw then return nil end
  local version, expires, deadline, payload, born, writes = fields(raw)
  if expires > 0 and expires <= now then return nil end
  return version, expires, deadline, payload, born, writes
end

-- What to know of the feed, once something is told.
local keep, keep_bytes, moment = nil, nil, nil
-- Of large events, the bytes since the turn, which is the number of one of them.
local told, turn = nil, nil

-- Keeps the feed within its bytes. Events that are no larger than its length allows can't take more than
-- half of them, and cost nothing here. Those that are larger are in two parts, up to the turn and since
-- then; when the later is a quarter of what may be, the earlier goes, with all that is as old.
local function bound_feed(number, size)
  if size * tonumber(keep) * 2 <= keep_bytes then return end
  if not told then
    local count = redis.call('HMGET', meta, 'told', 'turn')
    told, turn = tonumber(count[1]) or 0, tonumber(count[2]) or number - 1
  end
  told = told + size
  if told * 4 >= keep_bytes then
    redis.call('XTRIM', feed, 'MAXLEN', text(number - turn))
    told, turn = 0, number
  end
end

-- Takes the next number and tells the feed. An event's id is its number and the moment, which tells it
-- from another of this number, should the server lose its last changes.
local function tell(change, key, payload)
  if not keep then
    keep, keep_bytes = string.match(ARGV[2], '^(%d+) (%d+)$')
    keep_bytes = tonumber(keep_bytes)
    moment = text(tonumber(clock[1]) * 1000000 + tonumber(clock[2]))
  end
  local number = redis.call('HINCRBY', meta, 'seq', 1)
  local version = text(number)
  redis.call('XADD', feed, 'MAXLEN', '~', keep, version .. '-' .. moment,
    'c', change, 'k', key, 'v', payload)
  -- What the server itself needs for an event is about as much as this.
  bound_feed(number, #key + #payload + 64)
  return version
end

local function drop(key, change)
  local raw = redis.call('HGET', data, key)
  if not raw then return nil end
  local _, expires, _, payload = fields(raw)
  -- A server that is out of memory refuses what takes more of it, but only as the first change of a
  -- script; so what gives memory back comes first.
  redis.call('HDEL', data, key)
  if expires > 0 then redis.call('ZREM', expiry, key) end
  local version = tell(change, key, payload)
  grown = grown - #key - #payload
  return version
end

-- Takes out what has expired, no more than so many; tells how many there were.
local function sweep(most)
  local keys = redis.call('ZRANGEBYSCORE', expiry, '-inf', text(now), 'LIMIT', 0, most)
  for _, key in ipairs(keys) do
    if not drop(key, 'e') then redis.call('ZREM', expiry, key) end
  end
  return #keys
end

local function put(key, payload, ttl, idle)
  local deadline, expires = 0, 0
  if ttl > 0 then deadline = now + ttl; expires = deadline end
  if idle > 0 and (expires == 0 or now + idle < expires) then expires = now + idle end
  local known, _, _, old, born, writes = entry(key)
  if not known then drop(key, 'e') end
  local version = tell('w', key, payload)
  if known then
    grown = grown + #payload - #old
    writes = text(tonumber(writes) + 1)
  else
    grown = grown + #key + #payload
    born, writes = text(now), '1'
  end
  write(key, version, expires, deadline, born, writes, payload)
  if expires > 0 then redis.call('ZADD', expiry, text(expires), key) end
  return version
end

-- Notes how large map and feed are. What changed anything ends with it.
local function account()
  if grown ~= 0 then redis.call('HINCRBY', meta, 'bytes', text(grown)) end
  if told then redis.call('HSET', meta, 'told', text(told), 'turn', text(turn)) end
end

-- Why the server takes nothing that needs more memory, if so: the answer to give. What writes a value
-- asks this before it changes anything, as after the first change the server no longer refuses. What has
-- expired goes all the same, and half of the feed with it, so that memory comes back.
local function refusal()
  local answer = redis.pcall('HSETNX', meta, 'schema', about[1])
  if type(answer) ~= 'table' or not answer.err then return nil end
  redis.call('XTRIM', feed, 'MAXLEN', text(math.floor(redis.call('XLEN', feed) / 2)))
  sweep(1000)
  account()
  return answer
end

-- By how many entries and bytes the map grows when a key is written.
local function need(key, payload)
  local raw = redis.call('HGET', data, key)
  if not raw then return 1, #key + #payload end
  local _, _, _, old = fields(raw)
  return 0, #payload - #old
end

-- Takes out what ends soonest until so many entries and bytes are gone; all that it takes, or nothing
-- where that would not suffice. What never ends stays, and so does what is kept. Tells what is lacking.
local function evict(entries, bytes, kept)
  -- More than there would be if all else went.
  if bytes > bytes_before + grown then return 0, bytes end
  if entries > redis.call('ZCARD', expiry) then return entries, bytes end
  local victims = {}
  for start = 0, 10000, 16 do
    local keys = redis.call('ZRANGE', expiry, start, start + 15)
    if #keys == 0 then break end
    for _, key in ipairs(keys) do
      local raw = not kept[key] and redis.call('HGET', data, key)
      if raw then
        local _, _, _, payload = fields(raw)
        victims[#victims + 1] = key
        entries, bytes = entries - 1, bytes - #key - #payload
      end
      if entries <= 0 and bytes <= 0 then
        for _, victim in ipairs(victims) do drop(victim, 'x') end
        evicted = evicted + #victims
        return 0, 0
      end
    end
  end
  return entries, bytes
end

-- The answer to what would pass a bound.
local function refused(bound)
  return {'full', bound, bound == 'entries' and about[3] or about[4]}
end

-- The bound that would be passed, if any, by growth that a function tells; what has expired makes
-- room first, and then what ends soonest, if the namespace is told to evict. Without keys to be kept
-- there is nothing to evict.
local function full(growth, kept)
  if not (most_entries or most_bytes) then return nil end
  repeat
    local entries, bytes = growth()
    local too_many, too_long = 0, 0
    if most_entries and entries > 0 then
      too_many = redis.call('HLEN', data) + entries - most_entries
    end
    if most_bytes and bytes > 0 then too_long = bytes_before + grown + bytes - most_bytes end
    if too_many <= 0 and too_long <= 0 then return nil end
    if sweep(10000) == 0 then
      if evicts and kept then too_many, too_long = evict(too_many, too_long, kept) end
      if too_many <= 0 and too_long <= 0 then return nil end
      return too_many > 0 and 'entries' or 'bytes'
    end
  until false
end
