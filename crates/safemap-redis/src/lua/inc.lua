-- Adds to an integer. ARGV: key, what to add, least and greatest sum, time to live, idle time.
-- Numbers are decimal text: a Lua number holds no more than 53 bits.
local key, by, least, greatest = ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local function less(one, other)
  local negative = string.sub(one, 1, 1) == '-'
  if negative ~= (string.sub(other, 1, 1) == '-') then return negative end
  if negative then one, other = string.sub(other, 2), string.sub(one, 2) end
  if #one ~= #other then return #one < #other end
  return one < other
end

local function add(one, other)
  local low, high = tonumber(one), tonumber(other)
  if math.abs(low) < 2 ^ 52 and math.abs(high) < 2 ^ 52 then return text(low + high) end
  -- The server itself adds 64 bits, and says when they do not suffice.
  redis.call('HSET', meta, 'sum', one)
  local outcome = redis.pcall('HINCRBY', meta, 'sum', other)
  local sum = nil
  if type(outcome) ~= 'table' then sum = redis.call('HGET', meta, 'sum') end
  redis.call('HDEL', meta, 'sum')
  return sum
end

local version, _, _, payload = entry(key)
local old = '0'
if version then
  if string.sub(payload, 1, 1) ~= 'i' then return {'kind', payload} end
  old = string.sub(payload, 2)
end
local sum = add(old, by)
if not sum then return {'overflow', old} end
if less(sum, least) or less(greatest, sum) then return {'range', sum} end
sweep(16)
local bound = full(function() return need(key, 'i' .. sum) end, {[key] = true})
if not bound then put(key, 'i' .. sum, tonumber(ARGV[7]), tonumber(ARGV[8])) end
account()
if bound then return refused(bound) end
return done(sequence(), sum)
