-- Where the feed is: the last number, that with which the namespace began, and the last up to which the
-- feed is as it was told, with its moment if it is not the one asked for. ARGV: the number and the moment
-- of the last event that was told; the moment is empty if it is not to be compared.
local last, first = tonumber(sequence()), redis.call('HGET', meta, 'first')
local reached, moment = tonumber(ARGV[3]), tonumber(ARGV[4])

-- Where the server lost its last changes, their numbers came again, at later moments. What the feed no
-- longer has is not held against it.
local function moment_of(number)
  local event = redis.call('XRANGE', feed, text(number), text(number), 'COUNT', 1)[1]
  return event and string.match(event[1], '%-(%d+)$')
end

local same = math.min(last, reached)
local found = moment and tonumber(moment_of(same))
if found and found > moment then
  local other = same
  same = math.min(tonumber(first), other - 1)
  while other - same > 1 do
    local middle = math.floor((same + other) / 2)
    local between = tonumber(moment_of(middle))
    if between and between > moment then other = middle else same = middle end
  end
elseif found and same == reached and found < moment then
  -- A clock that was set back tells only that something is different.
  same = same - 1
end
return done(text(last), first, text(same), same ~= reached and moment_of(same) or '')
