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

	// profileLasts is how long a name, a face or a role may be remembered.
	profileLasts = 3 * time.Second
	profilesKept = 16384
	// groupsAtOnce bounds the questions about one user's roles that are under way together.
	groupsAtOnce = 8
	// MaxGroupsAsked bounds the groups of one call of RolesOf.
	MaxGroupsAsked = 200
)

// GroupRole is what a user is in a group.
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

// Profile is how OpenIM shows a user: in general, or in a group under his name there.
type Profile struct {
	Nickname string
	FaceURL  string
	// Role is that in the group; NoMember outside of one.
	Role GroupRole
	// Known is false when OpenIM has no such user, or he is not in the group.
	Known bool
}

// ProfileOf asks for a user's name and face, in a group when groupID is not empty. The answer may be profileLasts old.
func (c *Client) ProfileOf(ctx context.Context, userID, groupID string) (Profile, error) {
	about := profileOf{userID, groupID}
	if p, ok := c.profiles.get(about); ok {
		return p, nil
	}
	done := c.profiles.flight.DoChan(userID+"\x00"+groupID, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), membershipTimeout)
		defer cancel()
		asked := c.now()
		p, err := c.askProfile(ctx, about)
		if err != nil {
			return nil, err
		}
		c.profiles.put(about, p, asked)
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

// RolesOf says what the user is in each group, in the same order.
func (c *Client) RolesOf(ctx context.Context, userID string, groupIDs []string) ([]GroupRole, error) {
	if len(groupIDs) > MaxGroupsAsked {
		return nil, fmt.Errorf("%d groups at once: ask about at most %d", len(groupIDs), MaxGroupsAsked)
	}
	roles := make([]GroupRole, len(groupIDs))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(groupsAtOnce)
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

func (c *Client) askProfile(ctx context.Context, about profileOf) (Profile, error) {
	if about.groupID == "" {
		return c.askUser(ctx, about.userID)
	}
	reply, err := c.ask(ctx, pathGroupMembers, map[string]any{"groupID": about.groupID, "userIDs": []string{about.userID}}, true)
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
	if ok, err := readAnswer(reply, &data); !ok {
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

func (c *Client) askUser(ctx context.Context, userID string) (Profile, error) {
	reply, err := c.ask(ctx, pathUsersInfo, map[string]any{"userIDs": []string{userID}}, true)
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
	if ok, err := readAnswer(reply, &data); !ok {
		return Profile{}, err
	}
	for _, u := range data.UsersInfo {
		if u.UserID == userID {
			return Profile{Nickname: u.Nickname, FaceURL: u.FaceURL, Known: true}, nil
		}
	}
	return Profile{}, nil
}

// readAnswer decodes data. ok is false, without an error, when OpenIM says that there is no such thing.
func readAnswer(reply wire.Envelope, into any) (ok bool, err error) {
	switch {
	case reply.ErrCode == wire.CodeNotFound:
		return false, nil
	case reply.ErrCode != wire.CodeOK:
		return false, notOK(reply, ErrBadReply)
	case len(reply.Data) == 0: // OpenIM leaves empty data out
		return false, nil
	case json.Unmarshal(reply.Data, into) != nil:
		return false, fmt.Errorf("%w: its data has another shape", ErrBadReply)
	}
	return true, nil
}

// mustAnswer decodes data where its absence is no answer either.
func mustAnswer(reply wire.Envelope, into any) error {
	ok, err := readAnswer(reply, into)
	if err == nil && !ok {
		err = fmt.Errorf("%w: it has no data", ErrBadReply)
	}
	return err
}

// profiles remembers them for a moment, in bounded memory.
type profiles struct {
	now    func() time.Time
	flight singleflight.Group

	mu   sync.Mutex
	kept map[profileOf]keptProfile
}

type profileOf struct{ userID, groupID string }

type keptProfile struct {
	Profile
	asked time.Time
}

func newProfiles(now func() time.Time) *profiles {
	return &profiles{now: now, kept: map[profileOf]keptProfile{}}
}

func (p *profiles) get(about profileOf) (Profile, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, there := p.kept[about]
	if !there || p.now().Sub(k.asked) >= profileLasts {
		return Profile{}, false
	}
	return k.Profile, true
}

// put does not remember that there is nobody: he may come at any moment.
func (p *profiles) put(about profileOf, is Profile, asked time.Time) {
	if !is.Known {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) >= profilesKept {
		for other, k := range p.kept {
			if p.now().Sub(k.asked) >= profileLasts {
				delete(p.kept, other)
			}
		}
	}
	if len(p.kept) >= profilesKept {
		clear(p.kept)
	}
	p.kept[about] = keptProfile{is, asked}
}
