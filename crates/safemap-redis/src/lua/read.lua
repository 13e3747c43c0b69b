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
      local later = now + idle
      if deadline > 0 and deadline < later then later = deadline end
      -- A server that takes no writes goes on answering reads, which then put nothing off.
      if pcall(write, key, version, later, deadline, born, writes, payload) then
        expires = later
        redis.call('ZADD', expiry, text(expires), key)
      end
    end
    local left = -1
    if expires > 0 then left = expires - now end
    answer[#answer + 1] = {version, text(left), payload}
  end
end
return answer
