package openimclient

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	pathJoinedGroups = "/group/get_full_join_group_ids"

	// MembershipTTL is how long a membership is cached. A user who was removed from a group still passes for this time.
	MembershipTTL = 3 * time.Second
	// denialTTL is how long a missing membership is cached. It is short, because an invited user should not have to wait.
	denialTTL = 250 * time.Millisecond
	// membershipTimeout limits one request to OpenIM, independently of its callers. It is not longer than MembershipLasts, so that
	// no caller receives an older result by waiting for a shared request.
	membershipTimeout = MembershipTTL
	// maxMemberships limits the cache, in users. An entry is as large as the user's list of groups.
	maxMemberships = 4096
	// maxCachedGroups is the longest list that is cached. A longer list is requested each time.
	maxCachedGroups = 10000
)

// MembersOf reports for each conversation whether the user is a participant, in the same order. In a chat of two users, the other user must
// exist; in a group, the user must be a member now. The result for a malformed id is false.
func (c *Client) MembersOf(ctx context.Context, userID string, conversationIDs []string) ([]bool, error) {
	claims := make([]claim, len(conversationIDs))
	needGroups := false
	for i, id := range conversationIDs {
		claims[i] = claimOf(userID, id)
		needGroups = needGroups || claims[i].group != ""
	}
	if needGroups {
		if err := c.checkGroups(ctx, userID, claims); err != nil {
			return nil, err
		}
	}
	exists, err := c.existing(ctx, userID, usersOf(claims))
	if err != nil {
		return nil, err
	}
	member := make([]bool, len(claims))
	for i, claim := range claims {
		member[i] = !claim.refused && claim.peerExists(exists) && !claim.contested(exists)
	}
	return member, nil
}

// peerExists reports whether a possible other user exists. It is true for groups.
func (c claim) peerExists(exists map[string]bool) bool {
	return c.group != "" || slices.ContainsFunc(c.peers, func(id string) bool { return exists[id] })
}

// contested reports whether both users of another reading exist.
func (c claim) contested(exists map[string]bool) bool {
	return slices.ContainsFunc(c.rivals, func(p pair) bool { return exists[p.first] && exists[p.second] })
}

// usersOf returns the users on whose existence claims depend.
func usersOf(claims []claim) map[string]bool {
	users := map[string]bool{}
	for _, claim := range claims {
		if claim.refused {
			continue
		}
		for _, id := range claim.peers {
			users[id] = false
		}
		for _, p := range claim.rivals {
			users[p.first], users[p.second] = false, false
		}
	}
	return users
}

// checkGroups refuses the claims to groups of which the user is not a member. If the cached groups lack one, and are older than denialTTL,
// they are requested again.
func (c *Client) checkGroups(ctx context.Context, userID string, claims []claim) error {
	groups, requestedAt, err := c.groupsOf(ctx, userID, time.Time{})
	if err != nil {
		return err
	}
	missing := false
	for _, claim := range claims {
		missing = missing || claim.group != "" && !groups[claim.group]
	}
	if fresh := c.now().Add(-denialTTL); missing && requestedAt.Before(fresh) {
		if groups, _, err = c.groupsOf(ctx, userID, fresh); err != nil {
			return err
		}
	}
	for i := range claims {
		if claims[i].group != "" && !groups[claims[i].group] {
			claims[i].refused = true
		}
	}
	return nil
}

// memberships is a cache of users' groups with a limit of entries.
type memberships struct {
	now    func() time.Time
	flight singleflight.Group

	mu      sync.Mutex
	entries map[string]joined
}

type joined struct {
	groups      map[string]bool
	requestedAt time.Time // the time of the request: later changes are not included
}

func newMemberships(now func() time.Time) *memberships {
	return &memberships{now: now, entries: map[string]joined{}}
}

// get returns a user's cached groups, if they were requested at since or later and are not too old.
func (m *memberships) get(userID string, since time.Time) (joined, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, there := m.entries[userID]
	if !there || m.now().Sub(j.requestedAt) >= MembershipTTL || j.requestedAt.Before(since) {
		return joined{}, false
	}
	return j, true
}

func (m *memberships) put(userID string, j joined) {
	if len(j.groups) > maxCachedGroups {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) >= maxMemberships {
		for id, old := range m.entries {
			if m.now().Sub(old.requestedAt) >= MembershipTTL {
				delete(m.entries, id)
			}
		}
	}
	if len(m.entries) >= maxMemberships { // all entries are fresh
		clear(m.entries)
	}
	m.entries[userID] = j
}

// groupsOf returns a user's groups as requested at since or later, and the time of the request.
func (c *Client) groupsOf(ctx context.Context, userID string, since time.Time) (map[string]bool, time.Time, error) {
	if j, there := c.members.get(userID, since); there {
		return j.groups, j.requestedAt, nil
	}
	key := userID
	if !since.IsZero() {
		key += "\x00fresh" // a caller who needs a fresh result must not share an older request
	}
	done := c.members.flight.DoChan(key, func() (any, error) {
		if j, there := c.members.get(userID, since); there { // a request has finished since the check above
			return j, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), membershipTimeout)
		defer cancel()
		j := joined{requestedAt: c.now()}
		var err error
		if j.groups, err = c.fetchGroups(ctx, userID); err != nil {
			return nil, err
		}
		c.members.put(userID, j)
		return j, nil
	})
	select {
	case <-ctx.Done():
		return nil, time.Time{}, ErrTimeout
	case result := <-done:
		if result.Err != nil {
			return nil, time.Time{}, result.Err
		}
		j := result.Val.(joined)
		return j.groups, j.requestedAt, nil
	}
}

// fetchGroups requests the ids of all groups of a user.
func (c *Client) fetchGroups(ctx context.Context, userID string) (map[string]bool, error) {
	reply, err := c.request(ctx, pathJoinedGroups, map[string]any{"userID": userID, "idHash": 0}, true)
	if err != nil {
		return nil, err
	}
	var data struct {
		Equal    bool     `json:"equal"`
		GroupIDs []string `json:"groupIDs"`
	}
	if ok, err := decodeData(reply, &data); !ok { // OpenIM has no record of the user
		return nil, err
	}
	groups := make(map[string]bool, len(data.GroupIDs))
	for _, id := range data.GroupIDs {
		groups[id] = true
	}
	return groups, nil
}
