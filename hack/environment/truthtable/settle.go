package truthtable

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// retryInterval is the pause before cells that disagree are tried again.
const retryInterval = 500 * time.Millisecond

// dialer attempts a connection from a container to each target.
type dialer func(ctx context.Context, place kube.Container, targets ...string) ([]probe.Result, error)

// settle attempts every cell, and repeats those that disagree until all agree or the timeout is over.
func (p *plan) settle(ctx context.Context, dial dialer, pods map[string]kube.Container, timeout time.Duration) error {
	start := time.Now()
	return wait.PollUntilContextCancel(ctx, retryInterval, true, func(ctx context.Context) (bool, error) {
		if err := p.control(ctx, dial, pods); err != nil {
			return false, err
		}
		if err := p.attempt(ctx, dial, start); err != nil {
			return false, err
		}
		settled := !slices.ContainsFunc(p.observations, func(o Observation) bool { return !o.Agrees() })
		return settled || time.Since(start) >= timeout, nil
	})
}

// control dials the ports from inside their own pods, where no policy applies.
func (p *plan) control(ctx context.Context, dial dialer, pods map[string]kube.Container) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxParallel)
	for pod, silent := range p.silent() {
		group.Go(func() error {
			results, err := dial(ctx, pods[pod], silent...)
			for _, result := range results {
				if result.Result == probe.Open {
					p.answered(pod, result.Target)
				}
			}
			return err
		})
	}
	return group.Wait()
}

// attempt tries the cells that do not agree yet.
func (p *plan) attempt(ctx context.Context, dial dialer, start time.Time) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxParallel)
	for container, pending := range p.pending() {
		group.Go(func() error {
			addresses := make([]string, len(pending))
			for i, observation := range pending {
				addresses[i] = observation.Target.Address
			}
			results, err := dial(ctx, container, addresses...)
			for i, result := range results {
				pending[i].Last, pending[i].Settled = result, time.Since(start)
				pending[i].Attempts++
			}
			return err
		})
	}
	return group.Wait()
}
