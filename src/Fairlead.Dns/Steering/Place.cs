using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Steering;

/// <summary>
/// Where an address is: codes as ISO 3166-1 alpha-2 and the two letters of a continent; degrees, WGS 84.
/// </summary>
public sealed record Place(string? Continent, string? Country, double? Latitude, double? Longitude)
{
    /// <summary>ISO 3166-2 without the country: "CA" of US-CA.</summary>
    public string? Subdivision { get; init; }

    /// <summary>Its name in English, as databases of cities write it.</summary>
    public string? City { get; init; }

    public Asn? Asn { get; init; }
}
