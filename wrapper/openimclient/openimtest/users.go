package openimtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// State holds the users and groups of the fake. Change it under the fake's lock.
type State struct {
	Users  map[string]User
	Groups map[string]map[string]User // group to member
	// UserTokens is the number of user tokens issued. As with OpenIM's default policy, a new token invalidates the one before.
	UserTokens int
	current    map[string]string // "user 1" to token
}

// User is a user's profile.
type User struct {
	Nickname string `json:"nickname"`
	FaceURL  string `json:"faceURL"`
	// RoleLevel is OpenIM's: 20 a member, 60 an administrator, 100 the owner.
	RoleLevel int32 `json:"roleLevel"`
}

// UserToken returns the nth token issued for a user. It has the format of OpenIM's tokens.
func UserToken(n int) string {
	return fmt.Sprintf("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJVc2VySUQiOiJhbGljZSIsIlBsYXRmb3JtSUQiOjF9.dXNlci10b2tlbi1udW1iZXIt%d", n)
}

func newPeople() State {
	return State{Users: map[string]User{}, Groups: map[string]map[string]User{}, current: map[string]string{}}
}

// request has all members of the requests of the routes below.
type request struct {
	UserID       string   `json:"userID"`
	UserIDs      []string `json:"userIDs"`
	CheckUserIDs []string `json:"checkUserIDs"`
	GroupID      string   `json:"groupID"`
	PlatformID   int32    `json:"platformID"`
	Users        []struct {
		UserID string `json:"userID"`
		User
	} `json:"users"`
}

func (q request) at() string { return fmt.Sprintf("%s %d", q.UserID, q.PlatformID) }

// serveUsers serves the routes about users; ok is false for other paths. It accepts the administrator's tokens only.
func (f *Fake) serveUsers(w io.Writer, path string, body []byte) (ok bool) {
	var q request
	_ = json.Unmarshal(body, &q)
	switch path {
	case "/user/user_register":
		f.register(w, q)
	case "/auth/get_user_token":
		f.userToken(w, q)
	case "/auth/force_logout":
		delete(f.Valid, f.State.current[q.at()])
		reply(w, nil)
	case "/user/account_check":
		results := []map[string]any{}
		for _, id := range q.CheckUserIDs {
			_, there := f.State.Users[id]
			results = append(results, map[string]any{"userID": id, "accountStatus": map[bool]int{true: 1}[there]})
		}
		reply(w, map[string]any{"results": results})
	case "/user/get_users_info":
		if len(f.State.Users) == 0 {
			return false
		}
		infos := []map[string]any{}
		for _, id := range q.UserIDs {
			if p, there := f.State.Users[id]; there {
				infos = append(infos, map[string]any{"userID": id, "nickname": p.Nickname, "faceURL": p.FaceURL})
			}
		}
		reply(w, map[string]any{"usersInfo": infos})
	case "/group/get_full_join_group_ids":
		groups := []string{}
		for _, id := range slices.Sorted(maps.Keys(f.State.Groups)) {
			if _, member := f.State.Groups[id][q.UserID]; member {
				groups = append(groups, id)
			}
		}
		reply(w, map[string]any{"version": 1, "versionID": "v", "equal": false, "groupIDs": groups})
	case "/group/get_group_members_info":
		members := []map[string]any{}
		for _, id := range q.UserIDs {
			if p, member := f.State.Groups[q.GroupID][id]; member {
				members = append(members, map[string]any{
					"groupID": q.GroupID, "userID": id, "nickname": p.Nickname, "faceURL": p.FaceURL, "roleLevel": p.RoleLevel,
				})
			}
		}
		reply(w, map[string]any{"members": members})
	default:
		return false
	}
	return true
}

// register implements the two reasons for which OpenIM refuses a registration by the wrapper.
func (f *Fake) register(w io.Writer, q request) {
	for _, u := range q.Users {
		switch _, there := f.State.Users[u.UserID]; {
		case u.Nickname == "":
			fail(w, 1001, "ArgsError", "user name is empty")
			return
		case there:
			fail(w, 1102, "RegisteredAlreadyError", Stack)
			return
		}
		f.State.Users[u.UserID] = u.User
	}
	reply(w, nil)
}

func (f *Fake) userToken(w io.Writer, q request) {
	if _, there := f.State.Users[q.UserID]; !there {
		fail(w, 1004, "RecordNotFoundError", Stack)
		return
	}
	delete(f.Valid, f.State.current[q.at()])
	f.State.UserTokens++
	token := UserToken(f.State.UserTokens)
	f.Valid[token], f.State.current[q.at()] = true, token
	reply(w, map[string]any{"token": token, "expireTimeSeconds": TokenLifeSeconds})
}

func reply(w io.Writer, data any) {
	envelope := map[string]any{"errCode": 0, "errMsg": "", "errDlt": ""}
	if data != nil {
		envelope["data"] = data
	}
	body, err := json.Marshal(envelope)
	if err != nil {
		panic(err) // impossible: the data is this file's own
	}
	_, _ = w.Write(body)
}
