-- Returns the revocations after a number, oldest first: field, value, field, value...
-- KEYS: fields by number, entries by field. ARGV: number, largest count.
local out = {}
for _, f in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])) do
  local v = redis.call('HGET', KEYS[2], f)
  if v then
    out[#out + 1] = f
    out[#out + 1] = v
  end
end
return out
