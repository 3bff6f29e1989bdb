package crossuser

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
)

type object = loopback.Object

// OpenIM's numbers.
const (
	iOS          = 1 // platform of sessions through the wrapper
	android      = 2 // platform of tokens straight from OpenIM: a second one for one platform would void the wrapper's
	contentText  = 101
	sessionPair  = 1
	sessionGroup = 3
	workGroup    = 2
	needsConsent = 1 // to join a group
	patience     = 20 * time.Second
)

// userData is a user with all kinds of private data. The secret word is in each of them, and nowhere else.
type userData struct {
	routestest.Identities
	im     loopback.API // as OpenIM's administrator
	secret string
	// suitor has applied for the user's friendship and to join the user's group; blocked is a user whom the user has blocked.
	suitor, blocked string
}

// newUserData creates a new user with data and relations of their own.
func newUserData(t *testing.T, s *loopback.Stack) *userData {
	t.Helper()
	run := strings.ToLower(rand.Text()[:8])
	return named(t, s, routestest.Identities{Self: "bob" + run, Peer: "carol" + run, Group: "chess" + run}, run)
}

// named creates a user and data with the given names. run distinguishes its other names and its secret from those of other users.
func named(t *testing.T, s *loopback.Stack, names routestest.Identities, run string) *userData {
	t.Helper()
	im := s.OpenIM
	w := &userData{Identities: names, im: im, secret: "secret" + run, suitor: "dave" + run, blocked: "erin" + run}
	g := NewWithT(t)
	for _, user := range []string{w.Self, w.Peer, w.suitor, w.blocked} { // one by one: if one user of a list exists, OpenIM creates none
		g.Expect(im.Register(t.Context(), user)).To(Succeed())
	}
	im.Must(t, "/friend/import_friend", object{"ownerUserID": w.Self, "friendUserIDs": []string{w.Peer}})
	im.Must(t, "/friend/set_friend_remark", object{"ownerUserID": w.Self, "friendUserID": w.Peer, "remark": w.secret})
	im.Must(t, "/friend/add_black", object{"ownerUserID": w.Self, "blackUserID": w.blocked, "ex": w.secret})
	im.Must(t, "/friend/add_friend", object{"fromUserID": w.suitor, "toUserID": w.Self, "reqMsg": w.secret})
	im.Must(t, "/user/process_user_command_add", object{"userID": w.Self, "type": 1, "uuid": "u1", "value": w.secret})
	im.Must(t, "/group/create_group", object{
		"ownerUserID": w.Self, "memberUserIDs": []string{w.Peer},
		"groupInfo": object{"groupID": w.Group, "groupName": "chess", "groupType": workGroup, "needVerification": needsConsent},
	})
	im.Must(t, "/group/set_group_member_info", object{"members": []object{{"groupID": w.Group, "userID": w.Peer, "nickname": w.secret}}})
	im.Must(t, "/group/join_group", object{"groupID": w.Group, "inviterUserID": w.suitor, "reqMessage": w.secret, "joinSource": 3})
	for _, from := range []string{w.Self, w.Peer} {
		to := w.Peer
		if from == w.Peer {
			to = w.Self
		}
		im.Must(t, "/msg/send_msg", message(from, object{"recvID": to, "sessionType": sessionPair}, w.secret))
		im.Must(t, "/msg/send_msg", message(from, object{"groupID": w.Group, "sessionType": sessionGroup}, w.secret))
	}
	for _, conversation := range []string{w.Pair(), w.GroupChat()} {
		g.Eventually(func() (int, error) { return w.cached(t, s, conversation) }, patience, 20*time.Millisecond).
			Should(Equal(2), "the messages arrive in %s", conversation)
	}
	// OpenIM makes the conversation for its first message, perhaps at this moment: of two that insert it, MongoDB refuses one (E11000).
	g.Eventually(func() error {
		_, err := im.Call(t.Context(), "/conversation/set_conversations", object{"userIDs": []string{w.Self}, "conversation": object{
			"conversationID": w.Pair(), "conversationType": sessionPair, "userID": w.Peer, "isPinned": true, "ex": w.secret,
		}})
		return err
	}, patience, 100*time.Millisecond).Should(Succeed())
	w.unchanged(t, atRest)
	return w
}

func message(from string, to object, content string) object {
	m := object{
		"sendID": from, "senderNickname": from, "senderPlatformID": iOS, "content": object{"content": content}, "contentType": contentText,
	}
	maps.Copy(m, to)
	return m
}

// cached counts the messages with the secret in OpenIM's Redis. OpenIM itself is not called: a pull between the allocation of a message's
// number and its storing makes OpenIM cache that the message does not exist.
func (w *userData) cached(t *testing.T, s *loopback.Stack, conversation string) (int, error) {
	t.Helper()
	keys, err := s.RedisCLI(t.Context(), "KEYS", "MSG_CACHE:"+conversation+":*")
	if err != nil {
		return 0, err
	}
	found := 0
	for _, key := range strings.Fields(keys) {
		value, err := s.RedisCLI(t.Context(), "HGET", key, "value")
		if err != nil {
			return 0, err
		}
		if strings.Contains(value, w.secret) {
			found++
		}
	}
	return found, nil
}

func (w *userData) pull(user string) object {
	var ranges []object
	for _, conversation := range []string{w.Pair(), w.GroupChat()} {
		ranges = append(ranges, object{"conversationID": conversation, "begin": 1, "end": 20, "num": 20})
	}
	return object{"userID": user, "seqRanges": ranges}
}

// looks are the calls by which an administrator reads all data of a user.
func (w *userData) looks() map[string]object {
	page := object{"pageNumber": 1, "showNumber": 100}
	looks := map[string]object{
		"/user/get_users_info":                        {"userIDs": []string{w.Self, w.Peer}},
		"/user/process_user_command_get_all":          {"userID": w.Self},
		"/friend/get_friend_list":                     {"userID": w.Self, "pagination": page},
		"/friend/get_black_list":                      {"userID": w.Self, "pagination": page},
		"/friend/get_friend_apply_list":               {"userID": w.Self, "pagination": page},
		"/friend/get_self_friend_apply_list":          {"userID": w.Self, "pagination": page},
		"/group/get_groups_info":                      {"groupIDs": []string{w.Group}},
		"/group/get_group_member_list":                {"groupID": w.Group, "pagination": page},
		"/group/get_joined_group_list":                {"fromUserID": w.Self, "pagination": page},
		"/group/get_recv_group_applicationList":       {"fromUserID": w.Self, "pagination": page},
		"/group/get_user_req_group_applicationList":   {"userID": w.Self, "pagination": page},
		"/conversation/get_all_conversations":         {"ownerUserID": w.Self},
		"/msg/get_conversations_has_read_and_max_seq": {"userID": w.Self},
		"/msg/newest_seq":                             {"userID": w.Self},
		"/msg/pull_msg_by_seq":                        w.pull(w.Self),
	}
	return looks
}

// snapshot returns all data of a user as text that is equal while the data is.
func (w *userData) snapshot(t *testing.T) string {
	t.Helper()
	all := map[string]any{}
	for path, body := range w.looks() {
		data, err := w.im.Call(t.Context(), path, body)
		if err != nil {
			all[path] = strings.SplitN(err.Error(), ":", 2)[0]
			continue
		}
		all[path] = sorted(data)
	}
	for _, conversation := range []string{w.Pair(), w.GroupChat()} {
		data, err := w.im.Call(t.Context(), "/conversation/get_conversation", object{"ownerUserID": w.Peer, "conversationID": conversation})
		if err != nil {
			data = nil
		}
		all["the peer's "+conversation] = sorted(data)
	}
	return text(all)
}

// atRest is how often new data must be found unchanged before a test uses it: OpenIM's notifications of its making come one after the
// other, and later on a busy machine.
const atRest = 15

// settled returns the snapshot once it no longer changes by itself.
func (w *userData) settled(t *testing.T) string {
	t.Helper()
	return w.unchanged(t, 1)
}

// unchanged returns the snapshot once it was equal that many times in succession.
func (w *userData) unchanged(t *testing.T, times int) string {
	t.Helper()
	last, same := "", 0
	NewWithT(t).Eventually(func() bool {
		now := w.snapshot(t)
		if now != last {
			last, same = now, -1
		}
		same++
		return same >= times
	}, patience, 30*time.Millisecond).Should(BeTrue(), "the data no longer changes")
	return last
}

// leaks reports whether a reply holds private data: the secret word or, unless the request named the friend, the friend's ID.
func (w *userData) leaks(request, reply any) bool {
	told := text(reply)
	if strings.Contains(told, w.secret) {
		return true
	}
	return strings.Contains(told, w.Peer) && !strings.Contains(text(request), w.Peer)
}

// text returns JSON with all base64 of readable text decoded.
func text(v any) string {
	content, err := json.Marshal(opened(v))
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(content)
}

func opened(v any) any {
	switch v := v.(type) {
	case json.RawMessage:
		var inner any
		if json.Unmarshal(v, &inner) != nil {
			return string(v)
		}
		return opened(inner)
	case string:
		if raw, err := base64.StdEncoding.DecodeString(v); err == nil && len(raw) > 8 {
			return string(raw)
		}
	case object:
		inner := object{}
		for name, value := range v {
			inner[name] = opened(value)
		}
		return inner
	case []any:
		inner := make([]any, len(v))
		for i, value := range v {
			inner[i] = opened(value)
		}
		return inner
	}
	return v
}

// sorted sorts lists: OpenIM's order is by time or undefined.
func sorted(v any) any {
	switch v := v.(type) {
	case object:
		for name, value := range v {
			v[name] = sorted(value)
		}
	case []any:
		for i, value := range v {
			v[i] = sorted(value)
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	}
	return v
}
