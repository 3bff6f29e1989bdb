-- Health of an OpenIMStack from its conditions (kstatus). The conditions and their reasons:
-- https://github.com/openimstack/openim-operator/blob/main/docs/conditions.md
local hs = {}

local function health(status, message)
    hs.status = status
    hs.message = message
    return hs
end

local metadata = obj.metadata or {}
local spec = obj.spec or {}
local status = obj.status or {}
local generation = metadata.generation or 0

-- Only conditions of the present spec count: while the spec is new, the conditions of the earlier one would fail a sync.
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
    if condition.type ~= nil and (condition.observedGeneration or generation) >= generation then
        conditions[condition.type] = condition
    end
end

-- is returns the condition if it has the status, else nil.
local function is(kind, value)
    local condition = conditions[kind]
    if condition ~= nil and condition.status == value then
        return condition
    end
    return nil
end

local function text(condition)
    return condition.message or condition.reason or ""
end

if metadata.deletionTimestamp ~= nil then
    return health("Progressing", "Pending deletion")
end

-- An open or unenforced lockdown is never hidden, not even by a suspension. Policies that are not in place yet are another matter: the
-- operator writes them, no pod starts before, and a refusal of the API server is Stalled.
local isolated = is("NetworkIsolated", "False")
if isolated ~= nil and isolated.reason ~= "PoliciesNotInPlace" then
    return health("Degraded", text(isolated))
end

local stalled = is("Stalled", "True")

if spec.suspend == true then
    local paused = is("Paused", "True")
    local message = "spec.suspend is true"
    if paused ~= nil then
        message = text(paused)
    end
    local obstacle = stalled or is("Ready", "False")
    if obstacle ~= nil then
        message = message .. "; " .. text(obstacle)
    end
    return health("Suspended", message)
end

if stalled ~= nil then
    return health("Degraded", text(stalled))
end

local ready = conditions["Ready"]
if ready == nil then
    return health("Progressing", "Waiting for the operator to report on the present spec")
end
if ready.status ~= "True" then
    return health("Progressing", text(ready))
end
if isolated ~= nil then
    return health("Progressing", text(isolated))
end
if (status.observedGeneration or 0) < generation then
    return health("Progressing", "Waiting for the operator to apply the present spec")
end

local message = text(ready)
for _, note in ipairs({is("NetworkIsolated", "Unknown") or false, is("UpdateAvailable", "True") or false}) do
    if note then
        message = message .. "; " .. text(note)
    end
end
return health("Healthy", message)
