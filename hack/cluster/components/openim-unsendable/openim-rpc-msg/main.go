package main

import (
	"context"
	"slices"

	"github.com/openimsdk/open-im-server/v3/pkg/common/cmd"
	"github.com/openimsdk/protocol/msg"
	"github.com/openimsdk/tools/errs"
	"github.com/openimsdk/tools/system/program"
	"google.golang.org/grpc"
)

// broken is the method that fails.
const broken = "SendMsg"

func main() {
	i := slices.IndexFunc(msg.Msg_ServiceDesc.Methods, func(m grpc.MethodDesc) bool { return m.MethodName == broken })
	msg.Msg_ServiceDesc.Methods[i].Handler = refuse // the index is -1 and the program panics if OpenIM has no such method
	if err := cmd.NewMsgRpcCmd().Exec(); err != nil {
		program.ExitWithError(err)
	}
}

// refuse reads the request and answers it with OpenIM's error of the server. The interceptor encodes it, as for every other method.
func refuse(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	request := &msg.SendMsgReq{}
	if err := decode(request); err != nil {
		return nil, err
	}
	info := &grpc.UnaryServerInfo{Server: server, FullMethod: msg.Msg_SendMsg_FullMethodName}
	fail := func(context.Context, any) (any, error) {
		return nil, errs.ErrInternalServer.WrapMsg("sending is broken")
	}
	if interceptor == nil {
		return fail(ctx, request)
	}
	return interceptor(ctx, request, info, fail)
}
