-- KEYS: counters. ARGV: their lifetime in ms, then the limit of each. Gives 1 when all had room and were counted, else 0 and nothing was
-- counted: who is refused uses up nothing of what all share.
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[1 + i]) then return 0 end
end
for _, key in ipairs(KEYS) do
  redis.call('INCR', key)
  redis.call('PEXPIRE', key, ARGV[1])
end
return 1
