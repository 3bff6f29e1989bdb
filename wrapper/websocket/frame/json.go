package frame

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// jsonRequest and jsonReply have the JSON tags of internal/msggateway.
type jsonRequest struct {
	ReqIdentifier int32  `json:"reqIdentifier"`
	Token         string `json:"token"`
	SendID        string `json:"sendID"`
	OperationID   string `json:"operationID"`
	MsgIncr       string `json:"msgIncr"`
	Data          []byte `json:"data"`
}

type jsonReply struct {
	ReqIdentifier int32  `json:"reqIdentifier"`
	MsgIncr       string `json:"msgIncr"`
	OperationID   string `json:"operationID"`
	ErrCode       int    `json:"errCode"`
	ErrMsg        string `json:"errMsg"`
	Data          []byte `json:"data"`
}

// decodeJSONRequest decodes the known members, which must have their exact names and occur once, and ignores others. The frame for OpenIM
// is encoded again, so that OpenIM cannot read it differently.
func decodeJSONRequest(in []byte) (Request, error) {
	object, err := wire.DecodeObject(in)
	if err != nil {
		return Request{}, ErrMalformed
	}
	var req Request
	id, ok := object["reqIdentifier"].(int64)
	if !ok || !isInt32(id) {
		return Request{}, ErrMalformed
	}
	req.ID = int32(id) //nolint:gosec // checked above
	for name, into := range map[string]*string{"sendID": &req.SendID, "operationID": &req.OperationID, "msgIncr": &req.MsgIncr} {
		if *into, ok = text(object[name]); !ok {
			return Request{}, ErrMalformed
		}
	}
	data, ok := text(object["data"])
	if !ok {
		return Request{}, ErrMalformed
	}
	if req.Data, err = base64.StdEncoding.DecodeString(data); err != nil {
		return Request{}, ErrMalformed
	}
	return req, nil
}

// text returns "" for a missing member and for null, as Go's decoder does.
func text(v any) (string, bool) {
	if v == nil {
		return "", true
	}
	s, ok := v.(string)
	return s, ok
}

func encodeJSONRequest(req Request) []byte {
	return marshal(jsonRequest{ReqIdentifier: req.ID, SendID: req.SendID, OperationID: req.OperationID, MsgIncr: req.MsgIncr,
		Data: req.Data})
}

func encodeJSONReply(rep Reply) []byte {
	return marshal(jsonReply{ReqIdentifier: rep.ID, MsgIncr: rep.MsgIncr, OperationID: rep.OperationID, ErrCode: rep.ErrCode,
		ErrMsg: rep.ErrMsg, Data: rep.Data})
}

func marshal(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic("encoding texts, numbers and bytes as JSON: " + err.Error())
	}
	return out
}

func decodeJSONReply(in []byte) (Reply, error) {
	var rep jsonReply
	if err := json.Unmarshal(in, &rep); err != nil {
		return Reply{}, ErrMalformed
	}
	return Reply{ID: rep.ReqIdentifier, MsgIncr: rep.MsgIncr, OperationID: rep.OperationID, ErrCode: rep.ErrCode, ErrMsg: rep.ErrMsg,
		Data: rep.Data}, nil
}

// dataMember begins a reply's data. Go writes members in the order of the struct, in which data is the last. Within a JSON text the
// quotation marks would be escaped, so that these bytes cannot occur before the member.
var dataMember = []byte(`,"data":`)

func decodeJSONReplyHead(in []byte, whole bool) (Reply, error) {
	if at := bytes.Index(in, dataMember); at >= 0 {
		head := make([]byte, 0, at+1)
		return decodeJSONReply(append(append(head, in[:at]...), '}'))
	}
	if !whole {
		return Reply{}, ErrMalformed
	}
	return decodeJSONReply(in)
}
