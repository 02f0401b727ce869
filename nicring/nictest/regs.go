package nictest

// Registers in BAR0 by offset, as in the Intel 82574 GbE Controller Family
// Datasheet, section 10.
const (
	regCTRL    = 0x0000
	regSTATUS  = 0x0008
	regEECD    = 0x0010
	regEERD    = 0x0014
	regCTRLEXT = 0x0018
	regFCAL    = 0x0028
	regFCAH    = 0x002C
	regFCT     = 0x0030
	regICR     = 0x00C0
	regICS     = 0x00C8
	regIMS     = 0x00D0
	regIMC     = 0x00D8
	regIAM     = 0x00E0
	regRCTL    = 0x0100
	regFCTTV   = 0x0170
	regTCTL    = 0x0400
	regPBA     = 0x1000
	regFCRTL   = 0x2160
	regFCRTH   = 0x2168
	regRDBAL   = 0x2800
	regRDBAH   = 0x2804
	regRDLEN   = 0x2808
	regRDH     = 0x2810
	regRDT     = 0x2818
	regTDBAL   = 0x3800
	regTDBAH   = 0x3804
	regTDLEN   = 0x3808
	regTDH     = 0x3810
	regTDT     = 0x3818
	regTARC    = 0x3840
	regRFCTL   = 0x5008
	regMTA     = 0x5200
	regRAL     = 0x5400
	regRAH     = 0x5404
	regVFTA    = 0x5600
	regVET     = 0x0038
	regRXCSUM  = 0x5000
	regMRQC    = 0x5818
	regRETA    = 0x5C00
	regRSSRK   = 0x5C80

	regCRCERRS = 0x4000
	regMPC     = 0x4010
	regXONRXC  = 0x4048
	regXONTXC  = 0x404C
	regXOFFRXC = 0x4050
	regXOFFTXC = 0x4054
	regFCRUC   = 0x4058
	regPRC64   = 0x405C
	regGPRC    = 0x4074
	regBPRC    = 0x4078
	regMPRC    = 0x407C
	regGPTC    = 0x4080
	regGORCL   = 0x4088
	regGOTCL   = 0x4090
	regRNBC    = 0x40A0
	regRUC     = 0x40A4
	regROC     = 0x40AC
	regTORL    = 0x40C0
	regTOTL    = 0x40C8
	regTPR     = 0x40D0
	regTPT     = 0x40D4
	regPTC64   = 0x40D8
	regMPTC    = 0x40F0
	regBPTC    = 0x40F4
	regTSCTC   = 0x40F8
	regIAC     = 0x4100
)

// The registers of queue 1 lie perQueue behind those of queue 0.
const (
	queues   = 2
	perQueue = 0x100
)

const (
	packetBuffer   = 40 // KiB, shared between reception and transmission
	rxPacketBuffer = 32 // KiB of it at power-up; see PBA

	windowSize = 128 << 10 // BAR0
	regsEnd    = 0x6000    // no register that is modelled lies beyond
)

const (
	ctrlFD            = 1 << 0
	ctrlMasterDisable = 1 << 2
	ctrlSLU           = 1 << 6
	ctrlSpeed1000     = 2 << 8
	ctrlRST           = 1 << 26
	ctrlRFCE          = 1 << 27
	ctrlTFCE          = 1 << 28
	ctrlVME           = 1 << 30
	ctrlPHYRST        = 1 << 31

	statusFD        = 1 << 0
	statusLU        = 1 << 1
	statusTXOFF     = 1 << 4
	statusSpeed1000 = 2 << 6
	statusMasterEn  = 1 << 19

	eecdPresent = 1 << 8
	eecdAutoRD  = 1 << 9

	eerdStart = 1 << 0
	eerdDone  = 1 << 1
	eerdAddr  = 2  // shift
	eerdData  = 16 // shift

	ctrlExtEERST = 1 << 13
	ctrlExtIAME  = 1 << 27

	rctlEN     = 1 << 1
	rctlSBP    = 1 << 2
	rctlUPE    = 1 << 3
	rctlMPE    = 1 << 4
	rctlLPE    = 1 << 5
	rctlLBM    = 3 << 6
	rctlLBMMAC = 1 << 6
	rctlRDMTS  = 8 // shift
	rctlDTYP   = 3 << 10
	rctlMO     = 12 // shift
	rctlBAM    = 1 << 15
	rctlBSIZE  = 16 // shift
	rctlVFE    = 1 << 18
	rctlBSEX   = 1 << 25
	rctlSECRC  = 1 << 26
	rctlFLXBUF = 0xF << 27

	tctlEN  = 1 << 1
	tctlPSP = 1 << 3

	tarcEN      = 1 << 10
	rfctlEXTEN  = 1 << 15
	rxcsumIPOFL = 1 << 8  // check IPv4 headers
	rxcsumTUOFL = 1 << 9  // check TCP and UDP
	rxcsumPCSD  = 1 << 13 // descriptors hold the RSS hash, not a checksum
	mrqcMode    = 3
	mrqcRSS     = 1
	mrqcFlows   = 15 // shift: the bit of flow number 1 is the next one
	rahAV       = 1 << 31
)

// Interrupt causes.
const (
	intTXDW   = 1 << 0
	intTXQE   = 1 << 1
	intLSC    = 1 << 2
	intRXDMT0 = 1 << 4
	intRXO    = 1 << 6
	intRXT0   = 1 << 7
	intRXQ0   = 1 << 20 // queue 1: the next bit
	intTXQ0   = 1 << 22 // queue 1: the next bit
	intAll    = 0x01F782D7
	intRaised = 1 << 31 // INT_ASSERTED
)

// access is what a driver may do to a register.
type access uint8

const (
	readWrite access = iota
	readOnly
	readClears
	writeOnly
)

// A register is one register, or count of them stride bytes apart.
type register struct {
	offset        uint32
	name          string
	access        access
	bits          uint32 // those that have a meaning; the others keep their reset value
	reset         uint32
	missing       uint32 // those whose meaning this card does not model
	count, stride uint32
}

// registers are all that this card has, by offset.
var registers = []register{
	{offset: regCTRL, name: "CTRL", bits: 0xDC101B6D, reset: ctrlFD | ctrlSpeed1000 | 1<<20},
	{offset: regSTATUS, name: "STATUS", access: readOnly},
	{offset: regEECD, name: "EECD", bits: 0x00F1FFFF, reset: eecdPresent},
	{offset: regEERD, name: "EERD", bits: 0xFFFFFFFF, reset: eerdDone},
	{offset: regCTRLEXT, name: "CTRL_EXT", bits: 0xB95AB000},
	{offset: regFCAL, name: "FCAL", bits: 0xFFFFFFFF},
	{offset: regFCAH, name: "FCAH", bits: 0xFFFF},
	{offset: regFCT, name: "FCT", bits: 0xFFFF},
	{offset: regVET, name: "VET", bits: 0xFFFF, reset: 0x8100},
	{offset: regICR, name: "ICR", bits: 0xFFFFFFFF},
	{offset: 0x00C4, name: "ITR", bits: 0xFFFF},
	{offset: regICS, name: "ICS", bits: intAll},
	{offset: regIMS, name: "IMS", bits: intAll},
	{offset: regIMC, name: "IMC", bits: 0xFFFFFFFF, access: writeOnly},
	{offset: regIAM, name: "IAM", bits: 0xFFFFFFFF},
	{offset: regRCTL, name: "RCTL", bits: 0x7EDFBFFE, missing: rctlSBP | rctlDTYP | rctlFLXBUF},
	{offset: regFCTTV, name: "FCTTV", bits: 0xFFFF},
	{offset: regTCTL, name: "TCTL", bits: 0x7DFFFFFA},
	{offset: 0x0410, name: "TIPG", bits: 0x3FFFFFFF, reset: 8 | 8<<10 | 6<<20},
	{offset: 0x0458, name: "AIT", bits: 0xFFFF},
	{offset: 0x0E00, name: "LEDCTL", bits: 0xCFCFCFEF, reset: 0x00068302},
	{offset: regPBA, name: "PBA", bits: 0xFFFFFFFF, reset: (packetBuffer-rxPacketBuffer)<<16 | rxPacketBuffer},
	{offset: regFCRTL, name: "FCRTL", bits: 0x8000FFF8},
	{offset: regFCRTH, name: "FCRTH", bits: 0xFFF8},

	{offset: regRDBAL, name: "RDBAL", bits: 0xFFFFFFF0, count: queues, stride: perQueue},
	{offset: regRDBAH, name: "RDBAH", bits: 0xFFFFFFFF, count: queues, stride: perQueue},
	{offset: regRDLEN, name: "RDLEN", bits: 0x000FFF80, count: queues, stride: perQueue},
	{offset: regRDH, name: "RDH", bits: 0xFFFF, count: queues, stride: perQueue},
	{offset: regRDT, name: "RDT", bits: 0xFFFF, count: queues, stride: perQueue},
	{offset: 0x2820, name: "RDTR", bits: 0x8000FFFF},
	{offset: 0x2828, name: "RXDCTL", bits: 0x013F3F3F, reset: 1 << 16, count: queues, stride: perQueue},
	{offset: 0x282C, name: "RADV", bits: 0xFFFF},

	{offset: regTDBAL, name: "TDBAL", bits: 0xFFFFFFF0, count: queues, stride: perQueue},
	{offset: regTDBAH, name: "TDBAH", bits: 0xFFFFFFFF, count: queues, stride: perQueue},
	{offset: regTDLEN, name: "TDLEN", bits: 0x000FFF80, count: queues, stride: perQueue},
	{offset: regTDH, name: "TDH", bits: 0xFFFF, count: queues, stride: perQueue},
	{offset: regTDT, name: "TDT", bits: 0xFFFF, count: queues, stride: perQueue},
	{offset: 0x3820, name: "TIDV", bits: 0x8000FFFF},
	{offset: 0x3828, name: "TXDCTL", bits: 0xFF7F3F3F, count: queues, stride: perQueue},
	{offset: 0x382C, name: "TADV", bits: 0xFFFF},
	{offset: regTARC, name: "TARC", bits: 0x7FC007FF, reset: 3 | tarcEN, count: queues, stride: perQueue},

	{offset: regCRCERRS, name: "CRCERRS", access: readClears},
	{offset: 0x4004, name: "ALGNERRC", access: readClears},
	{offset: 0x400C, name: "RXERRC", access: readClears},
	{offset: regMPC, name: "MPC", access: readClears},
	{offset: 0x4014, name: "SCC", access: readClears},
	{offset: 0x4018, name: "ECOL", access: readClears},
	{offset: 0x401C, name: "MCC", access: readClears},
	{offset: 0x4020, name: "LATECOL", access: readClears},
	{offset: 0x4028, name: "COLC", access: readClears},
	{offset: 0x4030, name: "DC", access: readClears},
	{offset: 0x4034, name: "TNCRS", access: readClears},
	{offset: 0x403C, name: "CEXTERR", access: readClears},
	{offset: 0x4040, name: "RLEC", access: readClears},
	{offset: regXONRXC, name: "XONRXC", access: readClears},
	{offset: regXONTXC, name: "XONTXC", access: readClears},
	{offset: regXOFFRXC, name: "XOFFRXC", access: readClears},
	{offset: regXOFFTXC, name: "XOFFTXC", access: readClears},
	{offset: regFCRUC, name: "FCRUC", access: readClears},
	{offset: regPRC64, name: "PRC", access: readClears, count: 6, stride: 4},
	{offset: regGPRC, name: "GPRC", access: readClears},
	{offset: regBPRC, name: "BPRC", access: readClears},
	{offset: regMPRC, name: "MPRC", access: readClears},
	{offset: regGPTC, name: "GPTC", access: readClears},
	{offset: regGORCL, name: "GORCL", access: readClears},
	{offset: regGORCL + 4, name: "GORCH", access: readClears},
	{offset: regGOTCL, name: "GOTCL", access: readClears},
	{offset: regGOTCL + 4, name: "GOTCH", access: readClears},
	{offset: regRNBC, name: "RNBC", access: readClears},
	{offset: regRUC, name: "RUC", access: readClears},
	{offset: 0x40A8, name: "RFC", access: readClears},
	{offset: regROC, name: "ROC", access: readClears},
	{offset: 0x40B0, name: "RJC", access: readClears},
	{offset: 0x40B4, name: "MNGPRC", access: readClears},
	{offset: 0x40B8, name: "MPDC", access: readClears},
	{offset: 0x40BC, name: "MPTC", access: readClears},
	{offset: regTORL, name: "TORL", access: readClears},
	{offset: regTORL + 4, name: "TORH", access: readClears},
	{offset: regTOTL, name: "TOTL", access: readClears},
	{offset: regTOTL + 4, name: "TOTH", access: readClears},
	{offset: regTPR, name: "TPR", access: readClears},
	{offset: regTPT, name: "TPT", access: readClears},
	{offset: regPTC64, name: "PTC", access: readClears, count: 6, stride: 4},
	{offset: regMPTC, name: "MPTC", access: readClears},
	{offset: regBPTC, name: "BPTC", access: readClears},
	{offset: regTSCTC, name: "TSCTC", access: readClears},
	{offset: 0x40FC, name: "TSCTFC", access: readClears},
	{offset: regIAC, name: "IAC", access: readClears},

	{offset: regRXCSUM, name: "RXCSUM", bits: 0x3BFF, reset: 3 << 8},
	{offset: regRFCTL, name: "RFCTL", bits: 0x3FFFF},
	{offset: regMTA, name: "MTA", bits: 0xFFFFFFFF, count: 128, stride: 4},
	{offset: regRAL, name: "RAL", bits: 0xFFFFFFFF, count: 16, stride: 8},
	{offset: regRAH, name: "RAH", bits: 0x8003FFFF, count: 16, stride: 8},
	{offset: regVFTA, name: "VFTA", bits: 0xFFFFFFFF, count: 128, stride: 4},
	{offset: 0x5800, name: "WUC", bits: 0xF},
	{offset: 0x5808, name: "WUFC", bits: 0xF80FF},
	{offset: regMRQC, name: "MRQC", bits: 0x3F0003},
	{offset: 0x5B00, name: "GCR", bits: 0xFFFFFFFF},
	{offset: 0x5B64, name: "GCR2", bits: 1},
	{offset: regRETA, name: "RETA", bits: 0xFFFFFFFF, count: 32, stride: 4},
	{offset: regRSSRK, name: "RSSRK", bits: 0xFFFFFFFF, count: 10, stride: 4},
}

// registerAt finds a register by its offset; nil means reserved.
func registerAt(offset uint32) *register {
	if offset >= regsEnd {
		return nil
	}
	return registerByWord[offset/4]
}

var registerByWord = func() (at [regsEnd / 4]*register) {
	for i := range registers {
		r := &registers[i]
		for n := range max(r.count, 1) {
			at[(r.offset+n*r.stride)/4] = r
		}
	}
	return at
}()

// queueOf takes the queue out of the offset of a register that each has.
func queueOf(offset uint32) (first, queue uint32) {
	if block := offset &^ 0x1FF; block == regRDBAL&^0x1FF || block == regTDBAL&^0x1FF {
		return offset &^ perQueue, offset / perQueue & 1
	}
	return offset, 0
}
