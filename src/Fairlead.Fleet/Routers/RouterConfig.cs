using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Routers;

/// <summary>The router's side of the guard, in the languages of routers. Text only.</summary>
public static class RouterConfig
{
    /// <summary>Host routes and aggregates that one node may hold in the router.</summary>
    public const int NodeRoutesMax = 50;

    /// <summary>Each language with what it is for, in the order in which help names them.</summary>
    public static IReadOnlyList<(string Name, string For, Func<FleetSpec, string, string, string> Write)> Languages
    {
        get;
    } =
    [
        ("bird", "BIRD 2", BirdConfig.Write),
        ("frr", "FRR 8.4 and later", FrrConfig.Write),
        ("openbgpd", "OpenBGPD 7.7 and later", OpenBgpdConfig.Write),
        ("junos", "Junos, as set commands", JunosConfig.Write),
        ("eos", "Arista EOS", EosConfig.Write),
        ("iosxr", "Cisco IOS XR", IosXrConfig.Write),
    ];
}
