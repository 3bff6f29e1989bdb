-- Notes a session among those of its device and gives their ids, oldest first: the order is that of the logins, also within a millisecond.
-- The list lives as long as any of them is remembered. It holds few; of one that somebody has filled the oldest are given.
-- KEYS: device. ARGV: session id, when it began (Unix ms), for how long it is remembered (ms).
local at, newest = tonumber(ARGV[2]), redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if newest[2] then at = math.max(at, tonumber(newest[2]) + 1) end
redis.call('ZADD', KEYS[1], string.format('%.0f', at), ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return redis.call('ZRANGE', KEYS[1], 0, 127)
