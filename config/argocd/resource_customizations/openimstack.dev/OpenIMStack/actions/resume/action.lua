-- False and not nil: a manifest in Git that says false stays in sync, as one that says nothing does.
obj.spec.suspend = false
return obj
