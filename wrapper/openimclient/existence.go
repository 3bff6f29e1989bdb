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

	// existenceTTL is how long an existing user is cached. OpenIM never deletes users.
	existenceTTL = 10 * time.Minute
	// maxExistences limits the cache, in users.
	maxExistences = 1 << 16
	// maxUsersPerRequest limits the users of one request to OpenIM, maxUsersPerCall those of all requests for one call.
	maxUsersPerRequest = 1000
	maxUsersPerCall    = 4000
)

// errManyUsers is an error of the caller, not of OpenIM: the call concerns too many users.
var errManyUsers = errors.New("checking the users of conversations: too many users: name fewer conversations")

// existing sets the value of each user whom OpenIM has. The caller is assumed to exist. Reserved users do not exist for callers, so that
// nobody has a conversation with them.
func (c *Client) existing(ctx context.Context, callerID string, users map[string]bool) (map[string]bool, error) {
	var unknown []string
	for id := range users {
		users[id] = id == callerID || c.exists.get(id)
		if !users[id] && ids.Legal(id) && !ids.Reserved(id) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > maxUsersPerCall {
		return nil, errManyUsers
	}
	for some := range slices.Chunk(unknown, maxUsersPerRequest) {
		if err := c.fetchExisting(ctx, some, users); err != nil {
			return nil, err
		}
	}
	return users, nil
}

// fetchExisting requests which of the users OpenIM has, and sets their values in users.
func (c *Client) fetchExisting(ctx context.Context, ids []string, users map[string]bool) error {
	requestedAt := c.now()
	reply, err := c.request(ctx, pathAccountCheck, map[string]any{"checkUserIDs": ids}, true)
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
		return replyError(reply, ErrBadReply)
	}
	if json.Unmarshal(reply.Data, &data) != nil || len(data.Results) != len(ids) {
		return fmt.Errorf("%w: it does not list the users", ErrBadReply)
	}
	for _, r := range data.Results {
		if users[r.UserID] = r.AccountStatus == registered; users[r.UserID] {
			c.exists.put(r.UserID, requestedAt)
		}
	}
	return nil
}

// existences is a cache of existing users with a limit of entries. Missing users are not cached, because they may be registered at any
// moment.
type existences struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[string]time.Time
}

func newExistences(now func() time.Time) *existences {
	return &existences{now: now, entries: map[string]time.Time{}}
}

func (e *existences) get(userID string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	requestedAt, there := e.entries[userID]
	return there && e.now().Sub(requestedAt) < existenceTTL
}

func (e *existences) put(userID string, requestedAt time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.entries) >= maxExistences {
		clear(e.entries)
	}
	e.entries[userID] = requestedAt
}
