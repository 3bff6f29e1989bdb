local actions = {}

local suspended = obj.spec ~= nil and obj.spec.suspend == true

-- Only a rollout of the present spec that is Held or RolledBack waits for a request.
local failed = false
if obj.status ~= nil then
    local generation = obj.metadata.generation or 0
    for _, condition in ipairs(obj.status.conditions or {}) do
        local current = (condition.observedGeneration or generation) >= generation
        if condition.type == "RolledOut" and condition.status == "False" and current then
            failed = condition.reason == "Held" or condition.reason == "RolledBack"
        end
    end
end

actions["probe"] = {
    ["displayName"] = "Probe the isolation now",
    ["iconClass"] = "fa fa-fw fa-shield"
}
actions["retry-rollout"] = {
    ["displayName"] = "Retry the rollout",
    ["iconClass"] = "fa fa-fw fa-redo",
    ["disabled"] = suspended or not failed
}
actions["suspend"] = {
    ["displayName"] = "Suspend",
    ["iconClass"] = "fa fa-fw fa-pause",
    ["disabled"] = suspended
}
actions["resume"] = {
    ["displayName"] = "Resume",
    ["iconClass"] = "fa fa-fw fa-play",
    ["disabled"] = not suspended
}
return actions
