package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCaptureEndsWhenTheDiskIsFull(t *testing.T) {
	o := captureFlags(t, func(o *captureOptions) { o.write = "/dev/full" })
	r, err := captureRun(t, o, nil, probesInto(1<<30))
	require.ErrorContains(t, err, "capture: write /dev/full: no space left on device (the 0 packets written before are whole)")
	require.Zero(t, r.Captured)
}
