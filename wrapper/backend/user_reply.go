package backend

import (
	"context"
	"errors"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// membershipBatch bounds one membership request about the conversations of a reply.
const membershipBatch = 500

// project returns what the caller may see of OpenIM's reply (see routes.ProjectReply). An error of OpenIM's is passed on without data.
func (u *users) project(
	ctx context.Context, p auth.Principal, route *routes.Route, asked routes.Asked, reply *wire.Envelope, rec *httpserver.Record,
) (*wire.Envelope, *wire.Failure) {
	if reply.ErrCode != wire.CodeOK {
		reply.Data = nil
		return reply, nil
	}
	projected, err := route.ProjectReply(reply.Data, asked)
	if err == nil && len(projected.LookUp) > 0 {
		asked.Member, err = u.memberships(ctx, p, projected.LookUp)
		if err != nil {
			f := userFailure(err)
			rec.Refuse(f, "membership for the reply: "+err.Error())
			return nil, &f
		}
		projected, err = route.ProjectReply(reply.Data, asked)
	}
	if errors.Is(err, routes.ErrSeveralParts) {
		f := wire.Forbidden.Because(err.Error())
		rec.Refuse(f, "")
		return nil, &f
	}
	if errors.Is(err, routes.ErrTicketsUnavailable) {
		f := wire.Unavailable.Because("the upload's ticket cannot be made now: begin the upload again after a second")
		rec.Refuse(f, err.Error())
		return nil, &f
	}
	if err != nil {
		f := wire.BadGateway.Because("OpenIM's reply has another form than this wrapper knows: check whether the call took effect")
		rec.Refuse(f, err.Error())
		return nil, &f
	}
	u.Replies.count(route, projected)
	reply.Data = projected.Data
	return reply, nil
}

// memberships looks up which conversations of a reply the caller is part of.
func (u *users) memberships(ctx context.Context, p auth.Principal, ids []string) (map[string]bool, error) {
	member := make(map[string]bool, len(ids))
	for some := range slices.Chunk(ids, membershipBatch) {
		yes, err := u.Members.Conversations(ctx, p.Subject, some)
		if err != nil {
			return nil, err
		}
		for i, id := range some {
			member[id] = yes[i]
		}
	}
	return member, nil
}

// replyMetrics counts what is removed from replies, by route alone: names and values come from OpenIM.
type replyMetrics struct{ fields, entries *prometheus.CounterVec }

func newReplyMetrics(reg prometheus.Registerer) *replyMetrics {
	m := &replyMetrics{
		fields: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_reply_fields_dropped_total",
			Help: "Members of OpenIM's replies to users that the declared shape of the route does not have.",
		}, []string{"route"}),
		entries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_reply_entries_dropped_total",
			Help: "Entries of OpenIM's replies to users that were not the caller's, or not requested.",
		}, []string{"route"}),
	}
	reg.MustRegister(m.fields, m.entries)
	return m
}

func (m *replyMetrics) count(route *routes.Route, reply routes.Reply) {
	if m == nil {
		return
	}
	if reply.Fields > 0 {
		m.fields.WithLabelValues(route.Name()).Add(float64(reply.Fields))
	}
	if reply.Entries > 0 {
		m.entries.WithLabelValues(route.Name()).Add(float64(reply.Entries))
	}
}
