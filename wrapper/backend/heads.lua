-- KEYS: a hash of heads by chain, a sorted set of chains by the time of their last head. ARGV: chain, seq, the head as JSON, now and the
-- oldest kept time in Unix seconds, the largest number of chains, the keys' lifetime in seconds.
-- Returns 1: stored, 0: it contradicts the stored head, -1: too many chains.
for _, chain in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', '(' .. ARGV[5], 'BYSCORE', 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[2], chain)
  redis.call('HDEL', KEYS[1], chain)
end
local head, first = cjson.decode(ARGV[3]), ARGV[4]
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept then
  kept = cjson.decode(kept)
  local seq = tonumber(kept.seq)
  if seq > tonumber(ARGV[2]) or seq == tonumber(ARGV[2]) and kept.hash ~= head.hash then return 0 end
  first = kept.first
elseif redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[6]) then
  return -1
end
head.first, head.last, head.seq = first, ARGV[4], ARGV[2]
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(head))
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('EXPIRE', KEYS[2], ARGV[7])
return 1
