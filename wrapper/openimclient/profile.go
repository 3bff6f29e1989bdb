package openimclient

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	pathUsersInfo    = "/user/get_users_info"
	pathGroupMembers = "/group/get_group_members_info"

	// profileTTL is how long a name, a face URL or a role is cached.
	profileTTL  = 3 * time.Second
	maxProfiles = 16384
	// maxParallelGroups limits the parallel requests for one user's roles.
	maxParallelGroups = 8
	// MaxGroups limits the groups of one call of RolesOf.
	MaxGroups = 200
)

// GroupRole is the role of a user in a group.
type GroupRole int

// Roles.
const (
	NoMember GroupRole = iota
	Member
	Leader // owner or administrator
)

// OpenIM's role levels (protocol/constant: GroupOwner, GroupAdmin).
const (
	levelOwner = 100
	levelAdmin = 60
)

// Profile is a user's profile, in general or in a group.
type Profile struct {
	Nickname string
	FaceURL  string
	// Role is the role in the group; NoMember if no group was requested.
	Role GroupRole
	// Known reports whether OpenIM has the user and, with a group, the user is a member.
	Known bool
}

// ProfileOf returns a user's profile; if groupID is set, the profile in that group. The result is at most profileTTL old.
func (c *Client) ProfileOf(ctx context.Context, userID, groupID string) (Profile, error) {
	about := profileOf{userID, groupID}
	if p, ok := c.profiles.get(about); ok {
		return p, nil
	}
	done := c.profiles.flight.DoChan(userID+"\x00"+groupID, func() (any, error) {
		if p, ok := c.profiles.get(about); ok { // a request has finished since the check above
			return p, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), membershipTimeout)
		defer cancel()
		requestedAt := c.now()
		p, err := c.fetchProfile(ctx, about)
		if err != nil {
			return nil, err
		}
		c.profiles.put(about, p, requestedAt)
		return p, nil
	})
	select {
	case <-ctx.Done():
		return Profile{}, ErrTimeout
	case result := <-done:
		if result.Err != nil {
			return Profile{}, result.Err
		}
		return result.Val.(Profile), nil
	}
}

// RolesOf returns the user's role in each group, in the same order.
func (c *Client) RolesOf(ctx context.Context, userID string, groupIDs []string) ([]GroupRole, error) {
	if len(groupIDs) > MaxGroups {
		return nil, fmt.Errorf("requesting roles: %d groups: request at most %d", len(groupIDs), MaxGroups)
	}
	roles := make([]GroupRole, len(groupIDs))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(maxParallelGroups)
	for i, id := range groupIDs {
		if id == "" {
			continue
		}
		work.Go(func() error {
			p, err := c.ProfileOf(ctx, userID, id)
			roles[i] = p.Role
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return roles, nil
}

// fetchProfile requests a user's profile, in a group if about names one.
func (c *Client) fetchProfile(ctx context.Context, about profileOf) (Profile, error) {
	if about.groupID == "" {
		return c.fetchUser(ctx, about.userID)
	}
	reply, err := c.request(ctx, pathGroupMembers, map[string]any{"groupID": about.groupID, "userIDs": []string{about.userID}}, true)
	if err != nil {
		return Profile{}, err
	}
	var data struct {
		Members []struct {
			UserID    string `json:"userID"`
			GroupID   string `json:"groupID"`
			Nickname  string `json:"nickname"`
			FaceURL   string `json:"faceURL"`
			RoleLevel int32  `json:"roleLevel"`
		} `json:"members"`
	}
	if ok, err := decodeData(reply, &data); !ok {
		return Profile{}, err
	}
	for _, m := range data.Members {
		if m.UserID != about.userID || m.GroupID != about.groupID {
			continue
		}
		p := Profile{Nickname: m.Nickname, FaceURL: m.FaceURL, Role: Member, Known: true}
		if m.RoleLevel == levelOwner || m.RoleLevel == levelAdmin {
			p.Role = Leader
		}
		return p, nil
	}
	return Profile{}, nil
}

func (c *Client) fetchUser(ctx context.Context, userID string) (Profile, error) {
	reply, err := c.request(ctx, pathUsersInfo, map[string]any{"userIDs": []string{userID}}, true)
	if err != nil {
		return Profile{}, err
	}
	var data struct {
		UsersInfo []struct {
			UserID   string `json:"userID"`
			Nickname string `json:"nickname"`
			FaceURL  string `json:"faceURL"`
		} `json:"usersInfo"`
	}
	if ok, err := decodeData(reply, &data); !ok {
		return Profile{}, err
	}
	for _, u := range data.UsersInfo {
		if u.UserID == userID {
			return Profile{Nickname: u.Nickname, FaceURL: u.FaceURL, Known: true}, nil
		}
	}
	return Profile{}, nil
}

// decodeData decodes the data of a reply. ok is false, without an error, if OpenIM reports that the record does not exist.
func decodeData(reply wire.Envelope, into any) (ok bool, err error) {
	switch {
	case reply.ErrCode == wire.CodeNotFound:
		return false, nil
	case reply.ErrCode != wire.CodeOK:
		return false, replyError(reply, ErrBadReply)
	case len(reply.Data) == 0: // OpenIM omits empty data
		return false, nil
	case json.Unmarshal(reply.Data, into) != nil:
		return false, fmt.Errorf("%w: its data has another structure", ErrBadReply)
	}
	return true, nil
}

// requireData decodes the data of a reply. Missing data is an error.
func requireData(reply wire.Envelope, into any) error {
	ok, err := decodeData(reply, into)
	if err == nil && !ok {
		err = fmt.Errorf("%w: no data in it", ErrBadReply)
	}
	return err
}

// profiles is a cache of profiles with a limit of entries.
type profiles struct {
	now    func() time.Time
	flight singleflight.Group

	mu      sync.Mutex
	entries map[profileOf]entriesProfile
}

type profileOf struct{ userID, groupID string }

type entriesProfile struct {
	Profile
	requestedAt time.Time
}

func newProfiles(now func() time.Time) *profiles {
	return &profiles{now: now, entries: map[profileOf]entriesProfile{}}
}

func (p *profiles) get(about profileOf) (Profile, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, there := p.entries[about]
	if !there || p.now().Sub(k.requestedAt) >= profileTTL {
		return Profile{}, false
	}
	return k.Profile, true
}

// put caches a profile. It does not cache a missing user or member, who may be added at any moment.
func (p *profiles) put(about profileOf, is Profile, requestedAt time.Time) {
	if !is.Known {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.entries) >= maxProfiles {
		for other, k := range p.entries {
			if p.now().Sub(k.requestedAt) >= profileTTL {
				delete(p.entries, other)
			}
		}
	}
	if len(p.entries) >= maxProfiles {
		clear(p.entries)
	}
	p.entries[about] = entriesProfile{is, requestedAt}
}
