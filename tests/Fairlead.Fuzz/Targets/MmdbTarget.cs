using Fairlead.Dns.Steering;
using Fairlead.Net.Addresses;

namespace Fairlead.Fuzz.Targets;

/// <summary>Geo databases: a file is refused with a reason, or every place of it can be listed and found.</summary>
public sealed class MmdbTarget : IFuzzTarget
{
    private const int PlacesMax = 100_000;

    public string Name => "mmdb";

    public bool IsText => false;

    public int BytesMax => 16_384;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        .. AllTargets.Words("""
            country iso_code continent code location latitude longitude subdivisions country_code names
            node_count record_size ip_version database_type build_epoch binary_format_major_version
            """),
        [0xab, 0xcd, 0xef, .. "MaxMind.com"u8],
        // Control bytes: pointers of each size, maps, arrays, doubles, long strings, types of the second table.
        [0x20, 0], [0x28, 0, 0], [0x30, 0, 0, 0], [0x38, 0, 0, 0, 0], [0xe1], [0xe0], [0xff, 0xff, 0xff], [0x01, 0x04],
        [0x68, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], [0x5d, 0], [0x5e, 0, 0], [0x5f, 0, 0, 0], [0x00, 0x07], [0x08, 0x02],
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        var behaviour = new Behaviour();
        MmdbDatabase? database = MmdbDatabase.Open(input.ToArray(), out string? problem);
        BrokenPromiseException.Unless((database is null) == (problem is not null), "a database or a problem");
        if (database is null)
        {
            behaviour.AddMessage(problem!);
            return behaviour.Number;
        }

        int count = 0;
        foreach ((Prefix prefix, Place place) in database.Places())
        {
            BrokenPromiseException.Unless(++count <= PlacesMax, "a small file has few places");
            Place? found = database.Find(prefix.Address);
            BrokenPromiseException.Unless(found == place, $"{prefix} is found as it is listed: {found}, {place}");
            BrokenPromiseException.Unless(
                place.Latitude is null or (>= -90 and <= 90) && place.Longitude is null or (>= -180 and <= 180),
                $"{prefix} lies on the globe: {place}");
            behaviour.Add((place.Country is null ? 0 : 1) + (place.Latitude is null ? 0 : 2)
                + (place.Continent is null ? 0 : 4) + (place.Subdivision is null ? 0 : 8));
            if (count > 8) continue;
            behaviour.Add(prefix.IsIPv4 ? 4 : 6);
        }

        return behaviour.Number;
    }
}
