-- Reads keys as of one moment. ARGV: for each key, the key and its idle time. Each answer is
-- version, milliseconds left, payload; an empty one for what is not there.
local answer = done(sequence())
for at = 3, #ARGV, 2 do
  local key, idle = ARGV[at], tonumber(ARGV[at + 1])
  local version, expires, deadline, payload, born, writes = entry(key)
  if not version then
    answer[#answer + 1] = {}
  else
    if idle > 0 then
      expires = now + idle
      if deadline > 0 and deadline < expires then expires = deadline end
      write(key, version, expires, deadline, born, writes, payload)
      redis.call('ZADD', expiry, text(expires), key)
    end
    local left = -1
    if expires > 0 then left = expires - now end
    answer[#answer + 1] = {version, text(left), payload}
  end
end
return answer
