using Fairlead.Fleet.Spec;

namespace Fairlead.Import;

/// <summary>What an import has not taken: each with its place, and what to do instead.</summary>
internal sealed class Leftovers
{
    private readonly List<SpecProblem> all = [];

    /// <summary>By file, in the order in which an operator reads it.</summary>
    public IReadOnlyList<SpecProblem> All =>
        [.. all.GroupBy(one => one.File).SelectMany(file => file.OrderBy(one => one.Line).ThenBy(one => one.Column))];

    /// <summary>Names it, once.</summary>
    public void Add(TextPlace at, string message)
    {
        var one = new SpecProblem(at.File, at.Line, at.Column, message);
        if (!all.Contains(one)) all.Add(one);
    }
}
