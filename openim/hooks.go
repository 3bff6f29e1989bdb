package openim

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// defaultHookTimeout of a call, in seconds.
const defaultHookTimeout = 5

// hooks are the hooks that each process calls, the same at all supported releases (internal/msggateway, internal/push, internal/rpc: the
// uses of WebhooksConfig). msgtransfer reads webhooks.yml and calls none. afterUserKickOff and afterGroupMsgRevoke have no caller.
var hooks = []struct {
	process Name
	names   []v1alpha1.HookName
}{
	{MsgGateway, []v1alpha1.HookName{
		"afterUserOnline", "afterUserOffline",
	}},
	{Push, []v1alpha1.HookName{
		"beforeOfflinePush", "beforeOnlinePush", "beforeGroupOnlinePush",
	}},
	{RPCFriend, []v1alpha1.HookName{
		"beforeAddBlack", "afterRemoveBlack", "beforeAddFriend", "afterAddFriend", "beforeAddFriendAgree",
		"afterAddFriendAgree", "afterDeleteFriend", "beforeImportFriends", "afterImportFriends", "beforeSetFriendRemark",
		"afterSetFriendRemark",
	}},
	{RPCGroup, []v1alpha1.HookName{
		"beforeCreateGroup", "afterCreateGroup", "beforeMemberJoinGroup", "beforeSetGroupMemberInfo",
		"afterSetGroupMemberInfo", "afterQuitGroup", "afterKickGroupMember", "afterDismissGroup", "beforeApplyJoinGroup",
		"afterTransferGroupOwner", "afterJoinGroup", "beforeInviteUserToGroup", "afterSetGroupInfo", "beforeSetGroupInfo",
		"afterSetGroupInfoEx", "beforeSetGroupInfoEx",
	}},
	{RPCMsg, []v1alpha1.HookName{
		"beforeSendSingleMsg", "afterSendSingleMsg", "beforeSendGroupMsg", "afterSendGroupMsg", "beforeMsgModify",
		"afterGroupMsgRead", "afterSingleMsgRead", "afterRevokeMsg",
	}},
	{RPCUser, []v1alpha1.HookName{
		"beforeUpdateUserInfo", "afterUpdateUserInfo", "beforeUpdateUserInfoEx", "afterUpdateUserInfoEx",
		"beforeUserRegister", "afterUserRegister",
	}},
}

// HookCallers returns the processes that call hooks, in a fixed order.
func HookCallers() []Name {
	var names []Name
	for _, row := range hooks {
		names = append(names, row.process)
	}
	return names
}

// HookNames returns the hooks that a process calls.
func HookNames(process Name) []v1alpha1.HookName {
	for _, row := range hooks {
		if row.process == process {
			return slices.Clone(row.names)
		}
	}
	return nil
}

// HooksOf returns those hooks of a spec that a process calls.
func HooksOf(process Name, spec *v1alpha1.Webhooks) []v1alpha1.Hook {
	if spec == nil {
		return nil
	}
	names := HookNames(process)
	return slices.DeleteFunc(slices.Clone(spec.Hooks), func(h v1alpha1.Hook) bool { return !slices.Contains(names, h.Name) })
}

// WebhookURL returns the URL that hooks are called at, without the name of the command.
func WebhookURL(spec v1alpha1.Webhooks, namespace string) string {
	ref := spec.ServiceRef
	if ref == nil {
		return spec.URL
	}
	scheme, in := cmp.Or(ref.Scheme, v1alpha1.SchemeHTTP), cmp.Or(ref.Namespace, namespace)
	return fmt.Sprintf("%s://%s.%s.svc:%d%s", scheme, ref.Name, in, ref.Port, ref.Path)
}

// hook is a hook of webhooks.yml. Texts are YAML.
type hook struct {
	Name            v1alpha1.HookName
	Timeout         int32
	Allowed, Denied []v1alpha1.ContentTypes
	Users           []string
}

// Hooks returns the hooks that the process of the file calls: a change of others does not restart it.
func (v view) Hooks() []hook {
	var all []hook
	for _, h := range HooksOf(v.process.Name, v.Webhooks) {
		all = append(all, hook{h.Name, ptr.Deref(h.TimeoutSeconds, defaultHookTimeout), h.ContentTypes, h.ExceptContentTypes, h.UserIDs})
	}
	return all
}

// WebhookURL returns the URL that hooks are called at.
func (v view) WebhookURL() string { return WebhookURL(*v.Webhooks, v.Namespace) }
