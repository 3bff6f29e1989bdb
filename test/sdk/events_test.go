package sdk

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// event is one callback of the SDK.
type event struct {
	name    string
	payload string // JSON as the SDK gives it, or a text
}

// events records all callbacks of the SDK in order. It implements all of the SDK's listeners.
type events struct {
	mu  sync.Mutex
	all []event
}

func (e *events) add(name string, payload any) {
	text, ok := payload.(string)
	if !ok {
		text = fmt.Sprint(payload)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event{name, text})
}

// mark returns the current end, for use with since.
func (e *events) mark() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.all)
}

// since returns the events of a name after a mark.
func (e *events) since(mark int, name string) []event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.all[mark:]), func(v event) bool { return v.name != name })
}

// names lists the events for messages of failed tests.
func (e *events) names() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, v := range e.all {
		if len(names) == 0 || names[len(names)-1] != v.name {
			names = append(names, v.name)
		}
	}
	return strings.Join(names, " ")
}

// as decodes the payload.
func as[T any](v event) (T, error) {
	var value T
	if err := json.Unmarshal([]byte(v.payload), &value); err != nil {
		return value, fmt.Errorf("%s: %w: %.200q", v.name, err, v.payload)
	}
	return value, nil
}

// OnConnListener.

func (e *events) OnConnecting()     { e.add("OnConnecting", "") }
func (e *events) OnConnectSuccess() { e.add("OnConnectSuccess", "") }
func (e *events) OnConnectFailed(code int32, text string) {
	e.add("OnConnectFailed", fmt.Sprintf("%d %s", code, text))
}
func (e *events) OnKickedOffline()               { e.add("OnKickedOffline", "") }
func (e *events) OnUserTokenExpired()            { e.add("OnUserTokenExpired", "") }
func (e *events) OnUserTokenInvalid(text string) { e.add("OnUserTokenInvalid", text) }

// OnUserListener.

func (e *events) OnSelfInfoUpdated(v string)   { e.add("OnSelfInfoUpdated", v) }
func (e *events) OnUserStatusChanged(v string) { e.add("OnUserStatusChanged", v) }
func (e *events) OnUserCommandAdd(v string)    { e.add("OnUserCommandAdd", v) }
func (e *events) OnUserCommandDelete(v string) { e.add("OnUserCommandDelete", v) }
func (e *events) OnUserCommandUpdate(v string) { e.add("OnUserCommandUpdate", v) }

// OnFriendshipListener.

func (e *events) OnFriendApplicationAdded(v string)    { e.add("OnFriendApplicationAdded", v) }
func (e *events) OnFriendApplicationDeleted(v string)  { e.add("OnFriendApplicationDeleted", v) }
func (e *events) OnFriendApplicationAccepted(v string) { e.add("OnFriendApplicationAccepted", v) }
func (e *events) OnFriendApplicationRejected(v string) { e.add("OnFriendApplicationRejected", v) }
func (e *events) OnFriendAdded(v string)               { e.add("OnFriendAdded", v) }
func (e *events) OnFriendDeleted(v string)             { e.add("OnFriendDeleted", v) }
func (e *events) OnFriendInfoChanged(v string)         { e.add("OnFriendInfoChanged", v) }
func (e *events) OnBlackAdded(v string)                { e.add("OnBlackAdded", v) }
func (e *events) OnBlackDeleted(v string)              { e.add("OnBlackDeleted", v) }

// OnGroupListener.

func (e *events) OnJoinedGroupAdded(v string)         { e.add("OnJoinedGroupAdded", v) }
func (e *events) OnJoinedGroupDeleted(v string)       { e.add("OnJoinedGroupDeleted", v) }
func (e *events) OnGroupMemberAdded(v string)         { e.add("OnGroupMemberAdded", v) }
func (e *events) OnGroupMemberDeleted(v string)       { e.add("OnGroupMemberDeleted", v) }
func (e *events) OnGroupApplicationAdded(v string)    { e.add("OnGroupApplicationAdded", v) }
func (e *events) OnGroupApplicationDeleted(v string)  { e.add("OnGroupApplicationDeleted", v) }
func (e *events) OnGroupInfoChanged(v string)         { e.add("OnGroupInfoChanged", v) }
func (e *events) OnGroupDismissed(v string)           { e.add("OnGroupDismissed", v) }
func (e *events) OnGroupMemberInfoChanged(v string)   { e.add("OnGroupMemberInfoChanged", v) }
func (e *events) OnGroupApplicationAccepted(v string) { e.add("OnGroupApplicationAccepted", v) }
func (e *events) OnGroupApplicationRejected(v string) { e.add("OnGroupApplicationRejected", v) }

// OnConversationListener.

func (e *events) OnSyncServerStart(v bool)       { e.add("OnSyncServerStart", v) }
func (e *events) OnSyncServerFinish(v bool)      { e.add("OnSyncServerFinish", v) }
func (e *events) OnSyncServerProgress(v int)     { e.add("OnSyncServerProgress", v) }
func (e *events) OnSyncServerFailed(v bool)      { e.add("OnSyncServerFailed", v) }
func (e *events) OnNewConversation(v string)     { e.add("OnNewConversation", v) }
func (e *events) OnConversationChanged(v string) { e.add("OnConversationChanged", v) }
func (e *events) OnTotalUnreadMessageCountChanged(v int32) {
	e.add("OnTotalUnreadMessageCountChanged", v)
}
func (e *events) OnConversationUserInputStatusChanged(v string) {
	e.add("OnConversationUserInputStatusChanged", v)
}

// OnAdvancedMsgListener.

func (e *events) OnRecvNewMessage(v string)        { e.add("OnRecvNewMessage", v) }
func (e *events) OnRecvC2CReadReceipt(v string)    { e.add("OnRecvC2CReadReceipt", v) }
func (e *events) OnNewRecvMessageRevoked(v string) { e.add("OnNewRecvMessageRevoked", v) }
func (e *events) OnRecvOfflineNewMessage(v string) { e.add("OnRecvOfflineNewMessage", v) }
func (e *events) OnMsgDeleted(v string)            { e.add("OnMsgDeleted", v) }
func (e *events) OnRecvOnlineOnlyMessage(v string) { e.add("OnRecvOnlineOnlyMessage", v) }
