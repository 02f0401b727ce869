package nicring

// A Filter says which frames a port receives, beside those to the port's own
// address and to all (broadcast). The zero Filter lets no others in.
type Filter struct {
	Promiscuous  bool // every frame, whatever its destination
	AllMulticast bool // every frame to a group

	// Addresses are received as the port's own. A card has room for so many.
	Addresses []MAC
	// Groups are received, and with them other groups that the card cannot tell
	// from them.
	Groups []MAC
	// VLANs are the identifiers of tagged frames to receive; nil means all.
	// Frames without a tag always pass.
	VLANs []uint16
}
