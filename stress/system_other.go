//go:build !linux

package stress

// systemTrials are of what only Linux has.
var systemTrials []Trial
