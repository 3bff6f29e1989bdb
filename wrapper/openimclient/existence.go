package openimclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	pathAccountCheck = "/user/account_check"
	registered       = 1 // OpenIM's constant.Registered

	// existenceLasts is how long a user who exists is remembered. OpenIM deletes no users.
	existenceLasts = 10 * time.Minute
	// existencesKept bounds the memory, in users.
	existencesKept = 1 << 16
	// usersAskedAtOnce bounds one question about users' existence, maxUsersAsked all questions of one call.
	usersAskedAtOnce = 1000
	maxUsersAsked    = 4000
)

// errManyUsers is no failure of OpenIM's: too many users would have to be looked up for one call.
var errManyUsers = errors.New("too many unknown users at once: ask about fewer conversations")

// existing marks which of the users OpenIM knows. Whoever asks exists.
func (c *Client) existing(ctx context.Context, asker string, users map[string]bool) (map[string]bool, error) {
	var unknown []string
	for id := range users {
		users[id] = id == asker || c.exists.get(id)
		if !users[id] && ids.Legal(id) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > maxUsersAsked {
		return nil, errManyUsers
	}
	for some := range slices.Chunk(unknown, usersAskedAtOnce) {
		if err := c.askExisting(ctx, some, users); err != nil {
			return nil, err
		}
	}
	return users, nil
}

func (c *Client) askExisting(ctx context.Context, ids []string, users map[string]bool) error {
	asked := c.now()
	reply, err := c.ask(ctx, pathAccountCheck, map[string]any{"checkUserIDs": ids}, true)
	if err != nil {
		return err
	}
	var data struct {
		Results []struct {
			UserID        string `json:"userID"`
			AccountStatus int32  `json:"accountStatus"`
		} `json:"results"`
	}
	if reply.ErrCode != wire.CodeOK {
		return notOK(reply, ErrBadReply)
	}
	if json.Unmarshal(reply.Data, &data) != nil || len(data.Results) != len(ids) {
		return fmt.Errorf("%w: it does not say which users there are", ErrBadReply)
	}
	for _, r := range data.Results {
		if users[r.UserID] = r.AccountStatus == registered; users[r.UserID] {
			c.exists.put(r.UserID, asked)
		}
	}
	return nil
}

// existences remembers users who exist, in bounded memory. That somebody does not is not remembered: they may come at any moment.
type existences struct {
	now func() time.Time

	mu   sync.Mutex
	kept map[string]time.Time
}

func newExistences(now func() time.Time) *existences {
	return &existences{now: now, kept: map[string]time.Time{}}
}

func (e *existences) get(userID string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	asked, there := e.kept[userID]
	return there && e.now().Sub(asked) < existenceLasts
}

func (e *existences) put(userID string, asked time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.kept) >= existencesKept {
		clear(e.kept) // they are cheap to ask for again
	}
	e.kept[userID] = asked
}
