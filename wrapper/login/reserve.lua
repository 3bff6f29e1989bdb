-- Counts a handshake in all counters and returns 1, or returns 0 and counts it in none if one of them is full, so that a refused
-- caller uses up nothing of the shared limits. KEYS: counters. ARGV: their lifetime in ms, then the limit of each.
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[1 + i]) then return 0 end
end
for _, key in ipairs(KEYS) do
  redis.call('INCR', key)
  redis.call('PEXPIRE', key, ARGV[1])
end
return 1
