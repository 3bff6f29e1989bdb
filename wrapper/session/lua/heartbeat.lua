-- Returns the time, the name of the list and its newest number. Publishes a heartbeat, so that a dead subscription is noticed.
-- KEYS: meta. ARGV: channel, name for a new list.
redis.call('HSETNX', KEYS[1], 'log', ARGV[2])
local t = redis.call('TIME')
local m = redis.call('HMGET', KEYS[1], 'log', 'seq', 'end')
redis.pcall('PUBLISH', ARGV[1], 'beat')
return {t[1] * 1000 + math.floor(t[2] / 1000), m[1], tonumber(m[2] or 0), tonumber(m[3] or 0)}
