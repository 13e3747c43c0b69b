-- Writes keys if others are as they were read: all or nothing. ARGV: 1 to drop all else, the number
-- of reads, key and version ('-' for absent) of each; then of each write the key, 'p' or 'd', time
-- to live, idle time, payload. Answers with the last number taken, and the payload a single 'd' removed.
local replaces, reads = ARGV[3] == '1', tonumber(ARGV[4])
local at = 5
for _ = 1, reads do
  if (entry(ARGV[at]) or '-') ~= ARGV[at + 1] then return {'stale'} end
  at = at + 2
end
for write = at, #ARGV, 5 do
  if ARGV[write + 1] == 'p' then
    local answer = refusal()
    if answer then return answer end
    break
  end
end
sweep(16)
local written = {}
for write = at, #ARGV, 5 do written[ARGV[write]] = true end
-- Where all else goes anyway, there is nothing to evict.
local bound = full(function()
  local entries, bytes = 0, 0
  if replaces then
    entries, bytes = -redis.call('HLEN', data), -bytes_before - grown
  end
  for write = at, #ARGV, 5 do
    local key, payload = ARGV[write], ARGV[write + 4]
    if replaces then
      entries, bytes = entries + 1, bytes + #key + #payload
    else
      local more, longer = need(key, payload)
      if ARGV[write + 1] == 'd' then
        -- What is not there frees nothing.
        if more == 1 then more, longer = 0, 0 else more, longer = -1, longer - #key end
      end
      entries, bytes = entries + more, bytes + longer
    end
  end
  return entries, bytes
end, not replaces and written or nil)
if bound then
  account()
  return refused(bound)
end
local removed = false
if replaces then
  for _, key in ipairs(redis.call('HKEYS', data)) do
    if not written[key] then drop(key, 'r') end
  end
end
for write = at, #ARGV, 5 do
  local key = ARGV[write]
  if ARGV[write + 1] == 'p' then
    put(key, ARGV[write + 4], tonumber(ARGV[write + 2]), tonumber(ARGV[write + 3]))
  else
    local version, _, _, old = entry(key)
    if version then
      removed = old
      drop(key, 'r')
    else
      drop(key, 'e')
    end
  end
end
account()
return done(sequence(), removed)
