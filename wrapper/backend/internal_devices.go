package backend

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// errNotOwn refuses a user's call about another user's devices.
var errNotOwn error = wire.Forbidden.Because("a user may list and revoke their own devices alone")

func (l *internalAPI) listDevices(ctx context.Context, call *internalCall, q internalapi.ListDevices) (internalapi.Devices, error) {
	switch {
	case !legalUser(q.UserID):
		return internalapi.Devices{}, badUser
	case call.caller.isUser() && q.UserID != call.caller.Subject:
		return internalapi.Devices{}, errNotOwn
	}
	recordUser(call.rec, q.UserID)
	list, err := l.devices.ListDevices(ctx, q.UserID)
	return internalapi.Devices{Devices: list}, err
}

func (l *internalAPI) revokeDevices(ctx context.Context, call *internalCall, q internalapi.RevokeDevices) (internalapi.Devices, error) {
	if q.UserID != "" && !legalUser(q.UserID) {
		return internalapi.Devices{}, badUser
	}
	if by := call.caller; by.isUser() {
		switch {
		case q.UserID != by.Subject || q.DeviceID == "":
			return internalapi.Devices{}, errNotOwn
		case q.DeviceID != by.Device:
			if err := l.requireFreshLogin(by); err != nil {
				return internalapi.Devices{}, err
			}
		}
	}
	recordUser(call.rec, q.UserID)
	q.DeviceID = boundedText(q.DeviceID)
	list, err := l.devices.RevokeDevices(ctx, q)
	return internalapi.Devices{Devices: list}, err
}

func (l *internalAPI) setUser(ctx context.Context, call *internalCall, q internalapi.SetUser) (internalapi.User, error) {
	if !legalUser(q.UserID) {
		return internalapi.User{}, badUser
	}
	recordUser(call.rec, q.UserID)
	return l.devices.SetUser(ctx, q)
}

// forceLogout tries every platform, also after a failure.
func (l *internalAPI) forceLogout(ctx context.Context, call *internalCall, q internalapi.ForceLogout) (internalapi.Empty, error) {
	if !legalUser(q.UserID) {
		return internalapi.Empty{}, badUser
	}
	if len(q.PlatformIDs) > maxPlatform || !all(q.PlatformIDs, legalPlatform) {
		return internalapi.Empty{}, bad("platformIDs must be at most %d numbers of 1 to %d", maxPlatform, maxPlatform)
	}
	recordUser(call.rec, q.UserID)
	var left []internalapi.Device
	if q.SpareActive {
		var err error
		if left, err = l.devices.ListDevices(ctx, q.UserID); err != nil {
			return internalapi.Empty{}, err
		}
	}
	var work errgroup.Group
	work.SetLimit(3)
	for _, platform := range q.PlatformIDs {
		if slices.ContainsFunc(left, func(d internalapi.Device) bool {
			return d.Status == internalapi.DeviceActive && d.PlatformID == platform
		}) {
			continue
		}
		work.Go(func() error {
			// The vault drops the token first. A token that is made afterwards is a new one and must be kept.
			return errors.Join(l.tokens.Drop(ctx, q.UserID, platform), l.openim.ForceLogout(ctx, q.UserID, platform))
		})
	}
	return internalapi.Empty{}, work.Wait()
}
