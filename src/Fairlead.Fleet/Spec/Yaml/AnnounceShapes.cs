using static Fairlead.Fleet.Spec.Yaml.Scalars;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>The keys of how a service's routes are told.</summary>
internal static class AnnounceShapes
{
    // RFC 4271 §4.3: four octets; what people use fits into half of them.
    private static readonly Scalar<int> Med = Number(0, int.MaxValue);
    private static readonly Scalar<int> Prepend = Number(0, 16);

    private static readonly OneOf<AnnounceWhen> When = new(
        ("healthy", AnnounceWhen.Healthy), ("always", AnnounceWhen.Always), ("never", AnnounceWhen.Never));

    private static readonly ObjectOf<FailingSpec> Failing = new("failing", f => new FailingSpec
    {
        For = f.Required("for", Duration, "how long it is the last choice before it is withdrawn"),
        Med = f.Optional<int?>("med", FleetShapes.Nullable(Med), null, "MULTI_EXIT_DISC meanwhile"),
        Prepend = f.Optional("prepend", Prepend, 0, "how often the AS is repeated meanwhile"),
        GracefulShutdown = f.Optional("gracefulShutdown", Switch, true, "with the community of RFC 8326"),
    });

    public static readonly ObjectOf<AnnounceSpec> Announce = new("announce", f => new AnnounceSpec
    {
        When = f.Optional("when", When, AnnounceWhen.Healthy,
            "healthy: while the pool is; always: whatever its checks say; never"),
        Pops = FleetShapes.Dictionary(f.Optional("pops", new MapOf<AnnounceWhen>(Name, When), [], "pops that differ")),
        Med = f.Optional<int?>("med", FleetShapes.Nullable(Med), null, "MULTI_EXIT_DISC of its host routes"),
        Prepend = f.Optional("prepend", Prepend, 0, "how often the AS is repeated; not on iBGP"),
        Communities = f.Optional("communities", new ListOf<uint>(Community), [], "communities of its host routes")
            is { IsDefault: false } communities ? communities : [],
        WarmUp = f.Optional("warmUp", Duration, TimeSpan.Zero,
            "how long a pool that had failed must be healthy before it is announced again"),
        Failing = f.Optional<FailingSpec?>("failing", Failing!, null,
            "what a failing pool is told as before it is withdrawn; none: it is withdrawn at once"),
    });
}
