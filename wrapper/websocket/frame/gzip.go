package frame

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

// storeUpTo is the size up to which a frame is written in gzip's format without compression. OpenIM is in the same cluster, where time
// matters more than bytes, and a compressor needs some 800 KB. Longer frames are compressed, because OpenIM would refuse them otherwise.
const storeUpTo = MaxRequest - wrapping

// wrapping is the number of bytes that stored adds.
const wrapping = 23

var (
	readers = sync.Pool{New: func() any { return new(gzip.Reader) }}
	writers = sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			panic("creating a gzip writer with a constant level: " + err.Error())
		}
		return w
	}}
)

// gunzip decompresses one gzip member of at most limit bytes. Data after it is malformed.
func gunzip(in []byte, limit int) ([]byte, error) {
	src := bytes.NewReader(in)
	r, err := gzipReader(src)
	if err != nil {
		return nil, ErrMalformed
	}
	defer readers.Put(r)
	// Most frames are small. The buffer grows with the decompressed data, not by a size that the client announces.
	out := bytes.NewBuffer(make([]byte, 0, min(4*len(in)+64, limit+1)))
	if _, err = io.Copy(out, io.LimitReader(r, int64(limit)+1)); err != nil {
		return nil, ErrMalformed
	}
	if out.Len() > limit {
		return nil, ErrTooLarge
	}
	if src.Len() > 0 {
		return nil, ErrMalformed
	}
	return out.Bytes(), nil
}

// gunzipHead decompresses the first bytes, and reports whether these are all.
func gunzipHead(in []byte, limit int) (head []byte, whole bool, err error) {
	r, err := gzipReader(bytes.NewReader(in))
	if err != nil {
		return nil, false, ErrMalformed
	}
	defer readers.Put(r)
	head = make([]byte, limit)
	n, err := io.ReadFull(r, head)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return head[:n], true, nil
	case err != nil:
		return nil, false, ErrMalformed
	}
	return head[:n], false, nil
}

// gzipReader returns a reader of the pool. It does not read a second member, which gzip's format permits, because OpenIM writes none.
func gzipReader(src *bytes.Reader) (*gzip.Reader, error) {
	r, ok := readers.Get().(*gzip.Reader)
	if !ok {
		return nil, ErrMalformed
	}
	if err := r.Reset(src); err != nil {
		readers.Put(r)
		return nil, err
	}
	r.Multistream(false)
	return r, nil
}

func gzipped(in []byte) []byte {
	if len(in) <= storeUpTo {
		return stored(in)
	}
	w, ok := writers.Get().(*gzip.Writer)
	if !ok {
		panic("the pool contains another type than gzip writers")
	}
	defer writers.Put(w)
	out := bytes.NewBuffer(make([]byte, 0, len(in)/2+64))
	w.Reset(out)
	_, err := w.Write(in)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("compressing in memory: " + err.Error())
	}
	return out.Bytes()
}

// stored returns one gzip member with one stored block (RFC 1952; RFC 1951, section 3.2.4). in has at most storeUpTo bytes.
func stored(in []byte) []byte {
	size := uint16(len(in)) //nolint:gosec // at most storeUpTo
	out := make([]byte, 0, len(in)+wrapping)
	out = append(out, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1)
	out = binary.LittleEndian.AppendUint16(out, size)
	out = binary.LittleEndian.AppendUint16(out, ^size)
	out = append(out, in...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(in))
	return binary.LittleEndian.AppendUint32(out, uint32(size))
}
