package user

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/gateway"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
)

const (
	// maxUsers limits the codes of one command. The gateway's limits are by administrator.
	maxUsers = 16
	// maxLifetime is the longest lifetime of a code that the gateway accepts.
	maxLifetime = 10 * time.Minute
)

// Formats of the output.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatCode  = "code"
)

// options are the flags of the command code.
type options struct {
	gateway.Flags

	token    gateway.TokenFlags
	streams  cli.Streams
	format   string
	nickname string
	platform int32
	lifetime time.Duration
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "act as an administrator of a stack's users: issue enrolment codes",
		Args:  cli.Args(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCode(streams, connection))
	return cmd
}

func newCode(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: gateway.Flags{Flags: load.Flags{Connection: connection}}}
	cmd := &cobra.Command{
		Use:   "code USER...",
		Short: "issue one-time enrolment codes, with which users' devices log in for the first time",
		Long: `Issues an enrolment code for each USER, as an administrator of the gateway. A device enrols with the code once, and logs in with its own
key from then on: ` + cli.Name + ` chat does, and every client of docs/login.md. The enrolment creates a user that does not exist yet.

A code is a secret until it is used. Give it to its user by a way that only the user reads.`,
		Args: cli.Args(1, maxUsers),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	o.Add(cmd, "administrators")
	o.token.Add(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.format, "output", "o", formatTable, "table, json, or code for the codes alone")
	flags.StringVar(&o.nickname, "nickname", "", "the name that a new user is shown by; without it the USER")
	flags.Int32Var(&o.platform, "platform", 0, "OpenIM's number of the platform that the device must have, 1 to 9; 0 permits any")
	flags.DurationVar(&o.lifetime, "lifetime", 0, "how long the code is valid, at most 10m; without it as the stack says")
	cli.CompleteFlag(cmd, "output", cobra.FixedCompletions([]string{formatTable, formatJSON, formatCode}, cobra.ShellCompDirectiveNoFileComp))
	cli.DescribeExitCodes(cmd, "0 issued, 1 not all issued (errors included).")
	return cmd
}

// issued is a code of a user, as -o json prints it.
type issued struct {
	UserID  string    `json:"userID"`
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// run issues the codes. Codes that were issued are printed even when a later one is refused: nobody could use them otherwise.
func (o *options) run(ctx context.Context, users []string) error {
	if err := o.check(users); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx) // ends the port-forward
	defer cancel()
	way, err := o.Admins(ctx)
	if err != nil {
		return err
	}
	token, err := o.token.Read(ctx, o.streams.In, o.streams.ErrOut)
	if err != nil {
		return err
	}
	admin, err := login.NewAdmin(login.AdminOptions{
		BaseURL: way.BaseURL, HTTPClient: way.HTTP, Tunnel: way.Forwarded, Token: func(context.Context) (string, error) { return token, nil },
	})
	if err != nil {
		return err
	}
	codes, failure := o.issue(ctx, admin, users)
	return errors.Join(o.print(codes), failure)
}

// check refuses what the gateway would refuse, before a token is asked for.
func (o *options) check(users []string) error {
	switch {
	case o.format != formatTable && o.format != formatJSON && o.format != formatCode:
		return fmt.Errorf("--output: %q: write table, json or code", o.format)
	case o.platform < 0 || o.platform > 9:
		return fmt.Errorf("--platform: %d: write 1 to 9, or 0 for any", o.platform)
	case o.lifetime != 0 && (o.lifetime < time.Second || o.lifetime > maxLifetime):
		return fmt.Errorf("--lifetime: %s: write 1s to 10m", o.lifetime)
	case o.nickname != "" && len(users) > 1:
		return errors.New("--nickname is for one USER: issue the codes one by one, or leave it out")
	}
	seen := map[string]bool{}
	for _, user := range users {
		if seen[user] {
			return fmt.Errorf("user %s is named twice: name each user once", cli.OneLine(user))
		}
		seen[user] = true
	}
	return nil
}

func (o *options) issue(ctx context.Context, admin *login.Admin, users []string) ([]issued, error) {
	var codes []issued
	for _, user := range users {
		nickname := o.nickname
		if nickname == "" {
			nickname = user
		}
		code, err := admin.IssueCode(ctx, login.CodeRequest{
			UserID: user, Nickname: nickname, PlatformID: o.platform,
			LifetimeSeconds: int32(o.lifetime / time.Second), //nolint:gosec // at most maxLifetime
		})
		if err != nil {
			return codes, fmt.Errorf("a code for user %s: %w", cli.OneLine(user), advise(err))
		}
		codes = append(codes, issued{UserID: user, Code: code.Code, Expires: code.Expires})
	}
	return codes, nil
}

// advise adds to an error of the gateway what an administrator can do.
func advise(err error) error {
	switch {
	case errors.Is(err, login.ErrForbidden):
		return fmt.Errorf("%w: the token's roles do not permit it: see spec.wrapper.auth.admins.issuers[].roles", err)
	case errors.Is(err, login.ErrNoSession), errors.Is(err, login.ErrExpired):
		return fmt.Errorf("%w: the token is not accepted: it must be of an issuer and an audience of spec.wrapper.auth.admins, "+
			"and not expired", err)
	default:
		return err
	}
}

func (o *options) print(codes []issued) error {
	switch {
	case len(codes) == 0:
		return nil
	case o.format == formatJSON:
		encoder := json.NewEncoder(o.streams.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(codes)
	case o.format == formatCode:
		for _, c := range codes {
			fmt.Fprintln(o.streams.Out, c.Code)
		}
		return nil
	default:
		return table(o.streams.Out, codes)
	}
}

func table(w io.Writer, codes []issued) error {
	out := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "USER\tCODE\tVALID UNTIL")
	for _, c := range codes {
		fmt.Fprintf(out, "%s\t%s\t%s\n", cli.OneLine(c.UserID), c.Code, c.Expires.Local().Format("15:04:05"))
	}
	return out.Flush()
}
