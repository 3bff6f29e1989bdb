package registry

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// State is what etcd answers about a key.
type State struct {
	// Present is true when the key exists. Value and Lease are then its value and the lease that it is attached to.
	Present bool
	Value   []byte
	Lease   int64
	// Revision and Term never decrease, and Cluster never changes, unless etcd lost its data.
	Revision int64
	Term     uint64
	Cluster  uint64
}

func state(h *pb.ResponseHeader, kvs *pb.RangeResponse) State {
	s := State{Revision: h.GetRevision(), Term: h.GetRaftTerm(), Cluster: h.GetClusterId()}
	if all := kvs.GetKvs(); len(all) > 0 {
		s.Present, s.Value, s.Lease = true, all[0].GetValue(), all[0].GetLease()
	}
	return s
}

// Look reads a key, linearizable: a member without a quorum does not answer.
func (c *Client) Look(ctx context.Context, key string) (State, error) {
	var reply *pb.RangeResponse
	err := c.call(ctx, "reading the registration", func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		reply, err = pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte(key)})
		return err
	})
	if err != nil {
		return State{}, err
	}
	return state(reply.GetHeader(), reply), nil
}

// Grant returns a new lease.
func (c *Client) Grant(ctx context.Context, seconds int64) (lease int64, err error) {
	err = c.call(ctx, "granting a lease", func(ctx context.Context, conn *grpc.ClientConn) error {
		reply, err := pb.NewLeaseClient(conn).LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: seconds})
		lease = reply.GetID()
		return err
	})
	return lease, err
}

// Restore writes a key with a lease unless the key exists, in one transaction, and returns the state of the key after it.
// known is false when etcd no longer knows the lease.
func (c *Client) Restore(ctx context.Context, key string, value []byte, lease int64) (s State, known bool, err error) {
	var reply *pb.TxnResponse
	name, lost := []byte(key), false
	err = c.call(ctx, "restoring the registration", func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		reply, err = pb.NewKVClient(conn).Txn(ctx, &pb.TxnRequest{
			Compare: []*pb.Compare{{
				Key: name, Target: pb.Compare_CREATE, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_CreateRevision{CreateRevision: 0},
			}},
			Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{
				RequestPut: &pb.PutRequest{Key: name, Value: value, Lease: lease},
			}}},
			Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: name}}}},
		})
		lost = status.Code(err) == codes.NotFound
		return err
	})
	if err != nil {
		return State{}, !lost, err
	}
	if reply.GetSucceeded() {
		s = state(reply.GetHeader(), nil)
		s.Present, s.Value, s.Lease = true, value, lease
		return s, true, nil
	}
	var found *pb.RangeResponse
	if all := reply.GetResponses(); len(all) > 0 {
		found = all[0].GetResponseRange()
	}
	return state(reply.GetHeader(), found), true, nil
}

// KeepAlive renews a lease once. alive is false when etcd no longer knows it.
func (c *Client) KeepAlive(ctx context.Context, lease int64) (alive bool, err error) {
	err = c.call(ctx, "keeping the lease alive", func(ctx context.Context, conn *grpc.ClientConn) error {
		ctx, cancel := context.WithCancel(ctx) // ends the stream
		defer cancel()
		stream, err := pb.NewLeaseClient(conn).LeaseKeepAlive(ctx)
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: lease}); err != nil {
			return err
		}
		reply, err := stream.Recv()
		alive = reply.GetTTL() > 0
		return err
	})
	return alive, err
}

// Revoke ends a lease. Keys that are attached to it are deleted. A lease that is gone is no error.
func (c *Client) Revoke(ctx context.Context, lease int64) error {
	return c.call(ctx, "revoking the lease", func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := pb.NewLeaseClient(conn).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: lease})
		if status.Code(err) == codes.NotFound {
			return nil
		}
		return err
	})
}

// Delete deletes a key.
func (c *Client) Delete(ctx context.Context, key string) error {
	return c.call(ctx, "deleting the registration", func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := pb.NewKVClient(conn).DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte(key)})
		return err
	})
}
