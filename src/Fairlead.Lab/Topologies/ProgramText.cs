using System.Net.Sockets;

namespace Fairlead.Lab.Topologies;

/// <summary>Fills the {placeholders} of a topology's commands, files and templates for one host.</summary>
public sealed class ProgramText(Topology topology, string runFolder, string fairlead, string? fleetFile)
{
    /// <summary>The host's own folder in the run folder.</summary>
    public string Home(HostSpec host) => Path.Combine(runFolder, host.Name);

    /// <summary>The text with all known placeholders replaced; other braces stay as they are.</summary>
    public string Fill(string text, HostSpec host) => text
        .Replace("{fairlead}", fairlead, StringComparison.Ordinal)
        .Replace("{fleet}", fleetFile ?? topology.FleetFile ?? "", StringComparison.Ordinal)
        .Replace("{topology}", topology.Folder, StringComparison.Ordinal)
        .Replace("{run}", runFolder, StringComparison.Ordinal)
        .Replace("{home}", Home(host), StringComparison.Ordinal)
        .Replace("{host}", host.Name, StringComparison.Ordinal)
        .Replace("{network}", host.Network ?? "", StringComparison.Ordinal)
        .Replace("{ipv4}", host.Address(AddressFamily.InterNetwork)?.ToString() ?? "", StringComparison.Ordinal)
        .Replace("{ipv6}", host.Address(AddressFamily.InterNetworkV6)?.ToString() ?? "", StringComparison.Ordinal);

    /// <summary>The words of a command line. Paths with blanks survive: words are cut before filling.</summary>
    public string[] Words(string command, HostSpec host) =>
        [.. command.Split([' ', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries).Select(word => Fill(word, host))];
}
