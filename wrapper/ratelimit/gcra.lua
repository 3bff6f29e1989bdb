-- KEYS: what is counted. ARGV: interval in us, burst, how many calls are wanted (1 when it is not given), then for each key how many
-- times the quota it has (1 when it is not given).
-- Gives {which key refuses (0: none), how long to wait in us, now in us, how many calls were given, how many more there would be}.
-- At least one or nothing: a refused call uses nothing of any key. What is further ahead than the class allows, as after a change of the
-- class or of the clock, is brought back.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local wanted = tonumber(ARGV[3] or 1)
local tats, intervals, which, wait, room = {}, {}, 0, 0, math.huge
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
  room = math.min(room, math.floor((now + full - tats[i]) / interval))
end
if which > 0 then return {which, wait, now, 0, 0} end
local given = math.max(1, math.min(wanted, room))
for i, key in ipairs(KEYS) do
  local next = tats[i] + given * intervals[i]
  redis.call('SET', key, string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
end
return {0, 0, now, given, room - given}
