using System.Globalization;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Steering;

/// <summary>
/// Places that the operator knows better than any database: lines of `prefix,continent,country,latitude,longitude`.
/// Fields may be empty or missing at the end; # begins a comment; a first line that begins with "prefix" is a header.
/// </summary>
public static class CidrMap
{
    /// <summary>
    /// Reads all of it, and every fault with its line and column. `file` is only the name that they carry.
    /// </summary>
    public static (IReadOnlyList<(Prefix Prefix, Place Place)> Places, IReadOnlyList<ZoneProblem> Problems) Read(
        string file, string text)
    {
        var places = new List<(Prefix Prefix, Place Place)>();
        var problems = new List<ZoneProblem>();
        int number = 0;
        bool headerMayCome = true;
        foreach (ReadOnlySpan<char> raw in text.AsSpan().EnumerateLines())
        {
            number++;
            int comment = raw.IndexOf('#');
            ReadOnlySpan<char> line = comment < 0 ? raw : raw[..comment];
            if (line.IsWhiteSpace()) continue;
            bool header = headerMayCome && line.Trim().StartsWith("prefix", StringComparison.OrdinalIgnoreCase);
            headerMayCome = false;
            if (!header) ReadLine(file, number, line.ToString(), places, problems);
        }

        return (places, problems);
    }

    private static void ReadLine(
        string file, int number, string line, List<(Prefix Prefix, Place Place)> places, List<ZoneProblem> problems)
    {
        int before = problems.Count;
        void Report(int column, string message) => problems.Add(new ZoneProblem(file, number, column, message));

        var fields = new (string Text, int Column)[5];
        string[] parts = line.Split(',');
        for (int i = 0, column = 1; i < parts.Length; column += parts[i].Length + 1, i++)
        {
            int blanks = parts[i].Length - parts[i].TrimStart().Length;
            if (i == fields.Length) Report(column + blanks, "more than five fields");
            if (i < fields.Length) fields[i] = (parts[i].Trim(), column + blanks);
        }

        if (!Prefix.TryParse(fields[0].Text, out Prefix prefix))
            Report(fields[0].Column, $"'{fields[0].Text}' is not a prefix (its host bits must be zero)");
        string? continent = Code(fields[1], "a continent is AF, AN, AS, EU, NA, OC or SA", Report);
        if (continent is not null and not ("AF" or "AN" or "AS" or "EU" or "NA" or "OC" or "SA"))
            Report(fields[1].Column, "a continent is AF, AN, AS, EU, NA, OC or SA");
        string? country = Code(fields[2], "a country is two letters (ISO 3166-1)", Report);
        double? latitude = Degrees(fields[3], 90, "a latitude", Report);
        double? longitude = Degrees(fields[4], 180, "a longitude", Report);
        if (latitude is null != longitude is null && problems.Count == before)
            Report(fields[3].Column, "latitude and longitude go together");
        if (problems.Count > before) return;

        if (country is not null && CountryCentroids.TryFind(country, out CountryCentroid centroid))
        {
            continent ??= centroid.Continent;
            if (latitude is null) (latitude, longitude) = (centroid.Latitude, centroid.Longitude);
        }

        places.Add((prefix, new Place(continent, country, latitude, longitude)));
    }

    private static string? Code((string Text, int Column) field, string message, Action<int, string> report)
    {
        if (string.IsNullOrEmpty(field.Text)) return null;
        if (field.Text.Length == 2 && field.Text.All(char.IsAsciiLetter)) return field.Text.ToUpperInvariant();
        report(field.Column, message);
        return null;
    }

    private static double? Degrees(
        (string Text, int Column) field, double limit, string what, Action<int, string> report)
    {
        if (string.IsNullOrEmpty(field.Text)) return null;
        bool read = double.TryParse(
            field.Text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture,
                out double value);
        if (read && Math.Abs(value) <= limit) return value;
        report(field.Column, $"{what} goes from -{limit} to {limit}");
        return null;
    }
}
