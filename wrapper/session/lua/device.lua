-- Adds a session to its device's list and returns the ids in the order of the logins, oldest first, also within one millisecond.
-- The list is kept as long as one of its sessions. It is short. If somebody has filled it, the oldest ids are returned.
-- KEYS: device. ARGV: session id, its beginning (Unix ms), for how long it is kept (ms).
local at, newest = tonumber(ARGV[2]), redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if newest[2] then at = math.max(at, tonumber(newest[2]) + 1) end
redis.call('ZADD', KEYS[1], string.format('%.0f', at), ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return redis.call('ZRANGE', KEYS[1], 0, 127)
