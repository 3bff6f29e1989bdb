package config

// MultiLogin says how many devices of a user may be logged in at the same time.
type MultiLogin struct {
	// Policy is one of the policies below.
	Policy string `json:"policy"`
	// MaxPerPlatform is the number of devices on each platform, 1 to MaxDevicesPerPlatform, with PolicyUnlimited alone. Default
	// DefaultDevicesPerPlatform.
	MaxPerPlatform int32 `json:"maxPerPlatform,omitempty"`
	// Enforcement is Report or Enforce. Default Report.
	Enforcement string `json:"enforcement,omitempty"`
}

// Policies of MultiLogin. OpenIM's own numbers for them are 0, 1, 4 and 5.
const (
	PolicyUnlimited      = "Unlimited"      // MaxPerPlatform devices on each platform
	PolicyOnePerPlatform = "OnePerPlatform" // one device on each platform
	PolicyOnePerClass    = "OnePerClass"    // one phone, one tablet, one computer, one browser, one mini program
	PolicyComputerAndOne = "ComputerAndOne" // any number of computers, and one other device
)

// Enforcements of MultiLogin.
const (
	EnforcementReport  = "Report"  // counts and logs what the policy excludes, and ends nothing
	EnforcementEnforce = "Enforce" // ends it
)

// Bounds of MultiLogin.
const (
	DefaultDevicesPerPlatform = int32(30)
	MaxDevicesPerPlatform     = int32(1000)
)
