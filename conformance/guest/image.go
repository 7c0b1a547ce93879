// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// largest is more than any kernel is when unpacked.
const largest = 512 << 20

// Unpack takes the vmlinux out of a bzImage: the emulator then need not run the
// decompressor, which costs a second. An error is no drama: the bzImage boots.
func Unpack(image []byte) ([]byte, error) {
	// The setup header, Documentation/arch/x86/boot.rst.
	if len(image) < 0x250 || string(image[0x202:0x206]) != "HdrS" {
		return nil, fmt.Errorf("no bzImage")
	}
	sectors := uint64(image[0x1f1])
	if sectors == 0 {
		sectors = 4
	}
	offset := (sectors+1)*512 + uint64(binary.LittleEndian.Uint32(image[0x248:]))
	length := uint64(binary.LittleEndian.Uint32(image[0x24c:]))
	if length < 8 || offset+length > uint64(len(image)) {
		return nil, fmt.Errorf("the payload, %d bytes at %d, is not in the image of %d bytes", length, offset, len(image))
	}
	payload := image[offset : offset+length]
	// The size when unpacked follows the compressed data.
	size := uint64(binary.LittleEndian.Uint32(payload[len(payload)-4:]))
	unpacked, err := decompress(payload[:len(payload)-4])
	if err != nil {
		return nil, err
	}
	if uint64(len(unpacked)) != size {
		return nil, fmt.Errorf("unpacked %d bytes where the image promises %d", len(unpacked), size)
	}
	if !bytes.HasPrefix(unpacked, []byte(elf.ELFMAG)) {
		return nil, fmt.Errorf("what is in the image is no ELF file")
	}
	return unpacked, nil
}

func decompress(packed []byte) ([]byte, error) {
	var reader io.Reader
	switch {
	case bytes.HasPrefix(packed, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		decoder, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderMaxWindow(largest))
		if err != nil {
			return nil, err
		}
		defer decoder.Close()
		reader = decoder
	case bytes.HasPrefix(packed, []byte{0x02, 0x21, 0x4c, 0x18}):
		reader = lz4.NewReader(bytes.NewReader(packed))
	default:
		return nil, fmt.Errorf("compressed in a way that is not known here: % x", packed[:min(4, len(packed))])
	}
	unpacked, err := io.ReadAll(io.LimitReader(reader, largest))
	if err != nil {
		return nil, fmt.Errorf("unpack the kernel: %w", err)
	}
	return unpacked, nil
}
