-- GCRA for several keys at once.
-- KEYS: the keys to count. ARGV: interval in us, burst, number of calls wanted (default 1), then for each key the multiplier of its
-- quota (default 1).
-- Returns {index of the key that refuses (0: none), time to wait in us, now in us, number of calls granted, number of calls left}.
-- Grants at least one call of every key, or refuses and changes no key. A stored time that is further in the future than the class
-- permits, after a change of the class or of the clock, is lowered to the permitted maximum.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local wanted = tonumber(ARGV[3] or 1)
local tats, intervals, which, wait, left = {}, {}, 0, 0, math.huge
for i, key in ipairs(KEYS) do
  local times = tonumber(ARGV[3 + i] or 1)
  local interval = math.ceil(tonumber(ARGV[1]) / times)
  local full = interval * tonumber(ARGV[2]) * times
  local tat = tonumber(redis.call('GET', key) or now) or now
  if tat > now + full then
    tat = now + full
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil(full / 1000))
  end
  tats[i], intervals[i] = math.max(tat, now), interval
  local w = tats[i] + interval - full - now
  if w > wait then which, wait = i, w end
  left = math.min(left, math.floor((now + full - tats[i]) / interval))
end
if which > 0 then return {which, wait, now, 0, 0} end
local granted = math.max(1, math.min(wanted, left))
for i, key in ipairs(KEYS) do
  local next = tats[i] + granted * intervals[i]
  redis.call('SET', key, string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
end
return {0, 0, now, granted, left - granted}
