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

	// MembershipLasts is how long a "yes" may be remembered after OpenIM said it: for so long may one who was removed from
	// a group still pass.
	MembershipLasts = 3 * time.Second
	// membershipDenialLasts is how long a "no" may: one who has just been invited shall not wait.
	membershipDenialLasts = 250 * time.Millisecond
	// membershipTimeout bounds one question to OpenIM, whoever waits for the answer. It is no longer than a "yes" lasts, so
	// that nobody gets an older one by waiting with others.
	membershipTimeout = MembershipLasts
	// membershipsKept bounds the memory, in users. Each takes as much as his list of groups.
	membershipsKept = 4096
	// groupsKept is the longest list that is remembered; a longer one is asked for each time.
	groupsKept = 10000
)

// MembersOf says of each conversation whether the user is part of it, in the same order: of a pair when its other user exists, of
// a group when the user is a member now. An id that it cannot read belongs to nobody.
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

// peerExists is true of groups too.
func (c claim) peerExists(exists map[string]bool) bool {
	return c.group != "" || slices.ContainsFunc(c.peers, func(id string) bool { return exists[id] })
}

// contested is true when both users of another reading exist.
func (c claim) contested(exists map[string]bool) bool {
	return slices.ContainsFunc(c.rivals, func(p pair) bool { return exists[p.first] && exists[p.second] })
}

// usersOf are the users on whose existence claims depend.
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

// checkGroups refuses the claims to groups that the user is not in. A "no" that is not fresh is asked again.
func (c *Client) checkGroups(ctx context.Context, userID string, claims []claim) error {
	groups, asked, err := c.groupsOf(ctx, userID, time.Time{})
	if err != nil {
		return err
	}
	missing := false
	for _, claim := range claims {
		missing = missing || claim.group != "" && !groups[claim.group]
	}
	if fresh := c.now().Add(-membershipDenialLasts); missing && asked.Before(fresh) {
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

// memberships remembers users' groups for a moment, in bounded memory.
type memberships struct {
	now    func() time.Time
	flight singleflight.Group

	mu   sync.Mutex
	kept map[string]joined
}

type joined struct {
	groups map[string]bool
	asked  time.Time // when the question went out: what OpenIM changed since is not in it
}

func newMemberships(now func() time.Time) *memberships {
	return &memberships{now: now, kept: map[string]joined{}}
}

func (m *memberships) get(userID string, since time.Time) (joined, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, there := m.kept[userID]
	if !there || m.now().Sub(j.asked) >= MembershipLasts || j.asked.Before(since) {
		return joined{}, false
	}
	return j, true
}

func (m *memberships) put(userID string, j joined) {
	if len(j.groups) > groupsKept {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) >= membershipsKept {
		for id, old := range m.kept {
			if m.now().Sub(old.asked) >= MembershipLasts {
				delete(m.kept, id)
			}
		}
	}
	if len(m.kept) >= membershipsKept { // all are fresh: they are cheap to ask for again
		clear(m.kept)
	}
	m.kept[userID] = j
}

// groupsOf gives a user's groups as they were asked for at since or later.
func (c *Client) groupsOf(ctx context.Context, userID string, since time.Time) (map[string]bool, time.Time, error) {
	if j, there := c.members.get(userID, since); there {
		return j.groups, j.asked, nil
	}
	key := userID
	if !since.IsZero() {
		key += "\x00fresh" // one who needs a fresh answer must not join a flight that began long ago
	}
	done := c.members.flight.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), membershipTimeout)
		defer cancel()
		j := joined{asked: c.now()}
		var err error
		if j.groups, err = c.askGroups(ctx, userID); err != nil {
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
		return j.groups, j.asked, nil
	}
}

func (c *Client) askGroups(ctx context.Context, userID string) (map[string]bool, error) {
	reply, err := c.ask(ctx, pathJoinedGroups, map[string]any{"userID": userID, "idHash": 0}, true)
	if err != nil {
		return nil, err
	}
	var data struct {
		Equal    bool     `json:"equal"`
		GroupIDs []string `json:"groupIDs"`
	}
	if ok, err := readAnswer(reply, &data); !ok { // OpenIM has never heard of the user
		return nil, err
	}
	groups := make(map[string]bool, len(data.GroupIDs))
	for _, id := range data.GroupIDs {
		groups[id] = true
	}
	return groups, nil
}
