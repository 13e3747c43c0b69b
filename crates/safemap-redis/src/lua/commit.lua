-- Writes keys if others are as they were read: all or nothing. ARGV: 1 to drop all else, the number
-- of reads, key and version ('-' for absent) of each; then of each write the key, 'p' or 'd', time
-- to live, idle time, payload. Answers with the last number taken, and the payload a single 'd' removed.
local replaces, reads = ARGV[3] == '1', tonumber(ARGV[4])
local at = 5
for _ = 1, reads do
  if (entry(ARGV[at]) or '-') ~= ARGV[at + 1] then return {'stale'} end
  at = at + 2
end
sweep(16)
local removed = false
if replaces then
  local stays = {}
  for write = at, #ARGV, 5 do stays[ARGV[write]] = true end
  for _, key in ipairs(redis.call('HKEYS', data)) do
    if not stays[key] then drop(key, 'r') end
  end
end
for write = at, #ARGV, 5 do
  local key = ARGV[write]
  local version, _, _, old = entry(key)
  if not version then drop(key, 'e') end
  if ARGV[write + 1] == 'p' then
    put(key, ARGV[write + 4], tonumber(ARGV[write + 2]), tonumber(ARGV[write + 3]))
  elseif version then
    removed = old
    drop(key, 'r')
  end
end
return {'ok', sequence(), removed}
